"""Texts and pages that are attached: answers with quotes, and summaries."""

import re
import signal

import pytest

from llmkit.chains import QAChain, SummarizationChain
from llmkit.cli.chat.commands import COMMANDS
from llmkit.cli.chat.events import Ended, Note, Output, PastTurn, Piece, Problem, Working
from llmkit.errors import ContextWindowExceeded
from llmkit.models.base import LocalModel
from tests.support.texts import BUILT, MILL


@pytest.mark.slow
def test_questions_are_answered_from_a_file(talk, mill):
    chat = talk()
    assert chat("/file") == [Output("Nothing is attached: /file PATH and /url URL attach something.")]
    assert chat(f"/file {mill}") == [Note(f"attached {mill}: questions are answered from it, until /detach")]
    assert chat("/file") == [Output(f"{mill}, {len(MILL)} characters\n/detach removes it.")]
    working, piece, cited, note, ended = chat(BUILT)
    assert note == Note(f"answered from {mill}")
    assert piece == Piece("1821")
    start = MILL.index("It was")
    end = MILL.index(" Today")
    assert working.text == "reading what is attached …"
    sure, none, quote, place = cited.text.split("\n")
    assert re.fullmatch(r"confidence \d+%", sure)
    assert (none, quote) == ("", "  “It was built in 1821 by Ann Miller.”")
    assert place == f"  characters {start} to {end} of {mill}"
    assert isinstance(ended, Ended)
    assert chat.turns == chat.read_again() == [(BUILT, "1821", "stop")]


@pytest.mark.slow
def test_what_is_attached_does_not_say_is_for_the_model(talk, mill):
    chat = talk()
    chat(f"/file {mill}")
    note, *_ = chat("What is the capital of France?")
    assert note == Note(f"answered by the model, not from {mill}")
    [turn] = chat.state.history.turns
    assert "Paris" in turn.answer
    assert turn.citations == ""
    chat.state.qa_chain = QAChain(chat.state.llm, threshold=1)
    working, note, *_ = chat("What colour is the river?")
    assert (type(working), note) == (Working, Note(f"answered by the model, not from {mill}"))
    assert chat.state.history.turns[-1].citations == ""


@pytest.mark.slow
@pytest.mark.parametrize("message", ["Hello!", "Thanks!", "Write a poem about the mill.", "How are you?", "你好"])
def test_what_is_no_question_about_the_text_is_not_read(talk, mill, monkeypatch, message):
    chat = talk()
    chat(f"/file {mill}")
    monkeypatch.setattr(QAChain, "invoke", lambda *_, **__: pytest.fail("it was read"))
    note, *pieces, ended = chat(message)
    assert note == Note(f"answered by the model, not from {mill}")
    assert isinstance(ended, Ended)
    assert all(isinstance(piece, Piece) for piece in pieces)
    assert [turn.citations for turn in chat.state.history.turns] == [""]


@pytest.mark.slow
def test_a_request_for_a_summary_names_the_command(talk, mill):
    chat = talk()
    chat(f"/file {mill}")
    note, *_ = chat("Summarize the text")
    assert note == Note(f"answered by the model, not from {mill}; /summarize summarizes what is attached")


def test_a_long_message_beside_a_text_is_for_the_model(talk, mill, monkeypatch):
    chat = talk()
    chat(f"/file {mill}")

    def refuse(*_, **__):
        raise ContextWindowExceeded(9000, 8192)

    monkeypatch.setattr(QAChain, "invoke", refuse)
    _, note, *_ = chat(BUILT)
    assert note == Note(f"answered by the model, not from {mill}")


@pytest.mark.slow
def test_a_question_after_talk_is_answered_from_the_text_again(talk, mill):
    chat = talk()
    chat(f"/file {mill}")
    chat("Hello!")
    assert chat.answer(BUILT) == "1821"
    chat("Thanks!")
    assert [bool(turn.citations) for turn in chat.state.history.turns] == [False, True, False]


@pytest.mark.slow
def test_detach_gives_the_model_its_own_answers_back(talk, mill):
    chat = talk()
    assert chat.problem("/detach").startswith("nothing is attached")
    chat(f"/file {mill}")
    chat(BUILT)
    assert isinstance(chat("/detach")[0], Note)
    assert "Paris" in chat.answer("What is the capital of France?")
    assert chat.problem("/detach").startswith("nothing is attached")


@pytest.mark.slow
def test_a_question_that_is_interrupted_changes_nothing(talk, mill, monkeypatch):
    """It is one step, which closing a generator cannot stop; a signal in the middle of the work can."""
    chat = talk()
    chat(f"/file {mill}")
    before = chat.state.history
    with monkeypatch.context() as patch:
        patch.setattr(LocalModel, "score", lambda *_, **__: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            chat(BUILT)
    assert chat.state.history == before
    assert chat.answer(BUILT) == "1821"


@pytest.mark.slow
def test_retry_asks_what_is_attached_again(talk, mill):
    chat = talk()
    chat(f"/file {mill}")
    first = chat.answer(BUILT)
    assert [event for event in chat("/retry") if isinstance(event, Note)] == [Note(f"answered from {mill}")]
    assert [answer for _, answer, _ in chat.turns] == [first]


@pytest.mark.slow
def test_what_is_attached_is_there_after_a_resume(talk, mill):
    chat = talk()
    chat(f"/file {mill}")
    chat.answer(BUILT)
    chat("/save mill")
    chat.state.close()
    mill.unlink()
    again = talk(resume=chat.store.open("mill"))
    past, last, attached = again.state.opening()
    assert past == PastTurn(BUILT, "1821")
    assert last.text.startswith("mill: 1 turn so far")
    assert attached == Note(f"still attached: {mill}; questions are answered from it, until /detach")
    assert list(again.state.opening()) == []
    assert again.answer("Who built the mill?") == "Ann Miller"


@pytest.mark.slow
def test_a_page(talk, site):
    url = site.page(f"<title>The mill</title><body><p>{MILL}</p></body>".encode())
    chat = talk(fetching={"allow_private": True})
    working, note = chat(f"/url {url}")
    assert working.text == f"reading {url} …"
    assert note.text.startswith(f"attached The mill ({url})")
    assert chat.answer(BUILT) == "1821"
    assert re.search(rf" of {re.escape(url)}#:~:text=\S+$", chat.state.history.turns[0].citations)
    assert chat.text("/url").startswith("The mill (")


@pytest.mark.slow
def test_a_page_and_a_file_together(talk, site, mill):
    url = site.page(b"<body><p>The mill has a cafe. Its owner is Tom Baker since 2015.</p></body>")
    chat = talk(fetching={"allow_private": True})
    chat(f"/file {mill}")
    *_, note = chat(f"/url {url}")
    assert "questions are answered from all 2 texts" in note.text
    assert "Tom Baker" in chat.answer("Who is the owner of the cafe?")
    assert "1821" in chat.answer(BUILT)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/file none.txt", "none.txt cannot be read: No such file or directory"),
        ("/file .", ". is a folder: name a file in it"),
        ("/file -", "standard input is the chat itself"),
        ("/url not a url", "not a url"),
        ("/file https://a.example", "https://a.example is a web page, not a file: use /url https://a.example"),
        ("/url /dev/null", "/dev/null is a file, not a web page: use /file /dev/null"),
    ],
)
def test_what_cannot_be_attached(talk, line, why):
    chat = talk()
    problem = chat(line)[-1]
    assert isinstance(problem, Problem)
    assert why in problem.text
    assert chat.state.history.attached == ()


def test_addresses_that_are_not_public_are_refused(talk, site):
    *_, problem = talk()(f"/url {site.page()}")
    assert isinstance(problem, Problem)
    assert problem.text.endswith("with --allow-private: leave the chat, and start it with that option")
    assert site.paths == []


def test_a_file_that_is_no_text(talk, tmp_path):
    (tmp_path / "image").write_bytes(b"\x89PNG\xff")
    assert "is an image (PNG), which is not read" in talk().problem(f"/file {tmp_path}/image")


@pytest.mark.slow
def test_summarize_what_is_attached(talk, mill):
    chat = talk()
    assert chat.problem("/summarize").startswith("there is nothing to summarize")
    mill.write_text(f"{MILL} " * 8)  # the summary of a text that is not longer comes at once
    chat(f"/file {mill}")
    events = chat("/summarize")
    assert [type(event) for event in events[:2]] == [Working, Piece]
    pieces = [event.text for event in events if isinstance(event, Piece)]
    assert len(pieces) > 5
    assert "mill" in "".join(pieces)
    assert isinstance(events[-1], Ended)
    assert chat.turns == []


@pytest.mark.slow
def test_summarize_the_conversation(talk, llm):
    chat = talk()
    first = chat.answer("Ann and Bob meet at noon at the station.")
    summary = chat.answer("/summarize")
    expected = f"You: Ann and Bob meet at noon at the station.\nModel: {first}"
    assert summary == SummarizationChain(llm, "summarize-dialogue").invoke(expected).text
    assert len(chat.turns) == 1


@pytest.mark.slow
def test_the_answer_is_the_chains(talk, mill, llm):
    chat = talk()
    chat(f"/file {mill}")
    answer = QAChain(llm).invoke({"question": BUILT, "context": MILL})
    assert answer.found
    assert chat.answer(BUILT).partition("\n")[0] == answer.text


@pytest.mark.parametrize("typed", ["{}", "'{}'", '"{}"'])
def test_paths_as_people_type_them(talk, mill, typed):
    chat = talk()
    assert isinstance(chat(f"/file {typed.format(mill)}")[0], Note)
    assert [each.source for each in chat.state.history.attached] == [str(mill)]
    dropped = str(mill).replace(" ", "\\ ")  # as a terminal writes a file that is dropped on it
    assert chat(f"/file {dropped}") == [Note(f"{mill} is attached already")]
    assert len(chat.state.history.attached) == 1


def test_one_of_several_is_let_go(talk, mill, tmp_path):
    chat = talk()
    cafe = tmp_path / "cafe.txt"
    cafe.write_text("The owner of the cafe is Tom Baker.")
    for path in (mill, cafe):
        chat(f"/file {path}")
    assert COMMANDS["detach"].choices(chat.state) == [str(mill), str(cafe)]
    assert chat.text("/file").endswith("/detach removes all, /detach NAME one.")
    assert "nothing called 'none' is attached" in chat.problem("/detach none")
    assert chat("/detach the mill.txt") == [Note(f"{mill} is no longer attached, 1 other is")]
    cafe.write_text("The owner of the cafe is Ann Miller.")
    chat(f"/file {cafe}")  # as it is now
    [kept] = chat.state.history.attached
    assert kept.text == "The owner of the cafe is Ann Miller."
    assert chat.text(f"/detach {cafe}").startswith("nothing is attached any more")
