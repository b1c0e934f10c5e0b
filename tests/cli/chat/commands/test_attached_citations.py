"""Citations of what is attached: pages, titles, and what is kept of them."""

import pytest

from llmkit.cli.chat import window
from llmkit.cli.chat.events import Output
from tests.support.pdf_files import pdf
from tests.support.texts import BUILT, MILL


@pytest.fixture
def reports(tmp_path):
    """Two PDFs, whose pages are 7 and 8."""
    paths = [tmp_path / "mill.pdf", tmp_path / "lighthouse.pdf"]
    paths[0].write_bytes(pdf(["The mill stands by the river."], ["It was built in 1821 by Ann Miller."]))
    paths[1].write_bytes(pdf(["The lighthouse at Karn is a small hotel."], ["Maria Holm built the lighthouse."]))
    return paths


@pytest.mark.slow
def test_citations_of_a_pdf_name_its_page(talk, reports, llm):
    mill, lighthouse = reports
    chat = talk()
    chat(f"/file {mill}")
    assert chat.text("/file") == f"{mill}, 2 pages, 66 characters\n/detach removes it."
    assert chat.answer(BUILT) == "1821"
    place = f"  characters 0 to 35 of page 8 of {mill}"
    assert chat.state.history.turns[0].citations.splitlines()[-1] == place
    chat(f"/file {lighthouse}")
    assert chat.answer("Who built the lighthouse?") == "Maria Holm"
    assert chat.answer(BUILT) == "1821"
    places = [turn.citations.splitlines()[-1] for turn in chat.state.history.turns]
    assert places == [place, f"  characters 0 to 32 of page 8 of {lighthouse}", place]
    resumed = talk(resume=chat.store.open(chat.state.record.name, keep=False), keep=False)
    assert resumed.answer(BUILT) == "1821"
    assert resumed.state.history.turns[-1].citations.splitlines()[-1] == place
    assert resumed.state.history.attached == chat.state.history.attached


@pytest.mark.slow
def test_a_pdf_is_cited_as_ask_cites_it(talk, reports, llmkit):
    chat = talk()
    chat(f"/file {reports[1]}")
    chat.answer("Who built the lighthouse?")
    out = llmkit("ask", "Who built the lighthouse?", "--file", str(reports[1]))[1]
    assert chat.state.history.turns[0].citations.splitlines()[-1] == out.splitlines()[-1]


def test_a_saved_page_is_attached_with_its_title(talk, tmp_path):
    path = tmp_path / "mill.html"
    path.write_text(f"<title>The mill</title><body><p>{MILL}</p></body>")
    [note] = talk()(f"/file {path}")
    assert note.text.startswith(f"attached The mill ({path}): ")


@pytest.mark.slow
def test_citations_are_kept_and_never_shown_to_the_model(talk, mill, tmp_path):
    chat = talk()
    chat(f"/file {mill}")
    [cited] = [event for event in chat(BUILT) if isinstance(event, Output)]
    [turn] = chat.store.open(chat.state.record.name, keep=False).history.turns
    assert turn.citations == cited.text
    assert [each.text for each in window.build_messages(chat.state.history)] == [BUILT, "1821"]
    chat(f"/export {tmp_path}/talk.md")
    assert "\n\n1821\n\n> confidence " in (tmp_path / "talk.md").read_text()
    chat("/detach")
    chat("/retry")
    assert chat.state.history.turns[0].citations == ""
