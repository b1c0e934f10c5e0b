"""Texts and pages that are attached: answers with quotes, and summaries."""

import signal
import sys

import pytest

from llmkit.chains import QAChain, SummarizationChain
from llmkit.cli.chat.events import Ended, Note, Output, Piece, Problem, Working
from tests.cli.chat.conftest import anew

MILL = "The mill stands by the river. It was built in 1821 by Ann Miller. Today it is a museum."
BUILT = "When was the mill built?"


@pytest.fixture
def mill(tmp_path):
    path = tmp_path / "the mill.txt"
    path.write_text(MILL)
    return path


def test_questions_are_answered_from_a_file(talk, mill):
    chat = talk()
    assert chat("/file") == [Output("Nothing is attached: /file PATH and /url URL attach something.")]
    assert chat(f"/file {mill}") == [Note(f"attached {mill}: questions are answered from it, until /detach")]
    assert chat("/file") == [Output(f"{mill}, {len(MILL)} characters\n/detach lets go of it.")]
    begun, done, piece, ended = chat(BUILT)
    start = MILL.index("It was")
    end = MILL.index(" Today")
    assert (begun.text, done.text) == ("reading what is attached …", "")
    assert piece.text == (f"1821\n\n> It was built in 1821 by Ann Miller.\n>\n> {mill}, characters {start} to {end}")
    assert isinstance(ended, Ended)
    assert chat.said == chat.read_again() == [(BUILT, piece.text, "stop")]


def test_what_is_attached_does_not_say(talk, mill):
    chat = talk()
    chat(f"/file {mill}")
    assert chat.answer("What colour is the car of Peter?") == "The text does not say."


def test_detach_gives_the_model_its_own_answers_back(talk, mill):
    chat = talk()
    assert chat.problem("/detach").startswith("nothing is attached")
    chat(f"/file {mill}")
    chat(BUILT)
    assert isinstance(chat("/detach")[0], Note)
    assert "Paris" in chat.answer("What is the capital of France?")
    assert chat.problem("/detach").startswith("nothing is attached")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX timers")
def test_a_question_that_is_interrupted_changes_nothing(talk, mill):
    """It is one step, which no generator's end can stop; a signal does, whatever is being computed."""
    chat = talk()
    mill.write_text(" ".join([MILL] * 300))
    chat(f"/file {mill}")
    before = chat.session.history
    events = chat.session.take(BUILT)
    next(events)
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(KeyboardInterrupt):
        list(events)
    signal.signal(signal.SIGALRM, handler)
    assert chat.session.history == before
    assert chat.answer(BUILT).startswith("1821\n")


def test_retry_asks_what_is_attached_again(talk, mill):
    chat = talk()
    chat(f"/file {mill}")
    first = chat.answer(BUILT)
    chat("/retry")
    assert [answer for _, answer, _ in chat.said] == [first]


def test_what_is_attached_is_there_after_a_resume(talk, mill):
    chat = talk()
    chat(f"/file {mill}")
    chat.answer(BUILT)
    chat("/save mill")
    chat.session.close()
    mill.unlink()
    again = talk(resume=chat.store.open("mill"))
    assert again.answer("Who built the mill?").startswith("Ann Miller\n")


def test_a_page(talk, site):
    url = site.page(f"<title>The mill</title><body><p>{MILL}</p></body>".encode())
    chat = talk(fetching={"allow_private": True})
    begun, done, note = chat(f"/url {url}")
    assert (begun.text, done.text) == (f"reading {url} …", "")
    assert note.text.startswith(f"attached The mill ({url})")
    quote, link = chat.answer(BUILT).split("\n>\n> ")
    assert quote == "1821\n\n> It was built in 1821 by Ann Miller."
    assert link.startswith(f"{url}#:~:text=")
    assert chat.text("/url").startswith("The mill (")


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
        ("/file .", ". cannot be read: Is a directory"),
        ("/file -", "standard input is the chat itself"),
        ("/url not a url", "not a url"),
    ],
)
def test_what_cannot_be_attached(talk, line, why):
    chat = talk()
    problem = chat(line)[-1]
    assert isinstance(problem, Problem)
    assert why in problem.text
    assert chat.session.history.attached == ()


def test_addresses_that_are_not_public_are_refused(talk, site):
    *_, problem = talk()(f"/url {site.page()}")
    assert isinstance(problem, Problem)
    assert site.paths == []


def test_a_file_that_is_no_text(talk, tmp_path):
    (tmp_path / "image").write_bytes(b"\x89PNG\xff")
    assert "is not UTF-8 text" in talk().problem(f"/file {tmp_path}/image")


def test_summarize_what_is_attached(talk, mill):
    chat = talk()
    assert chat.problem("/summarize").startswith("there is nothing to summarize")
    chat(f"/file {mill}")
    events = chat("/summarize")
    assert [type(event) for event in events[:2]] == [Working, Working]
    pieces = [event.text for event in events if isinstance(event, Piece)]
    assert len(pieces) > 5
    assert "mill" in "".join(pieces)
    assert isinstance(events[-1], Ended)
    assert chat.said == []


def test_summarize_the_conversation(talk, llm):
    chat = talk()
    first = chat.answer("Ann and Bob meet at noon at the station.")
    anew(llm)
    said = chat.answer("/summarize")
    told = f"You: Ann and Bob meet at noon at the station.\nModel: {first}"
    anew(llm)
    assert said == SummarizationChain(llm, "summarize-dialogue").invoke(told).text
    assert len(chat.said) == 1


def test_the_answer_is_the_chains(talk, mill, llm):
    chat = talk()
    chat(f"/file {mill}")
    answer = QAChain(llm).invoke({"question": "What is the mill today?", "context": MILL})
    assert chat.answer("What is the mill today?").partition("\n")[0] == (answer.text or "The text does not say.")


@pytest.mark.parametrize("typed", ["{}", "'{}'", '"{}"'])
def test_paths_as_people_type_them(talk, mill, typed):
    chat = talk()
    assert isinstance(chat(f"/file {typed.format(mill)}")[0], Note)
    chat(f"/file {str(mill).replace(' ', chr(92) + ' ')}")  # as a terminal writes a file that is dropped on it
    assert [each.source for each in chat.session.history.attached] == [str(mill)] * 2
