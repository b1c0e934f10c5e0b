"""A person at a terminal, with the real default model: three programs, each for many steps."""

import os
import re
import signal
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from llmkit.cli.chat.history import Turn
from llmkit.cli.chat.store import Store
from llmkit.models.weights import catalog
from tests.support.terminal import ALT_ENTER, CTRL_C, CTRL_D, CTRL_R, TAB, UP, Terminal, pasted

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")]

STORY = "Write a very long story about a fox, a river and a mountain."
COLOUR = re.compile(r"\x1b\[(?:[\d;]*;)?(?:3[0-8]|4[0-8]|9[0-7])(?:;[\d;]*)?m")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return Path(tmp_path_factory.mktemp("data"))


def turns(data: Path) -> tuple[Turn, ...]:
    store = Store(data / "conversations")
    return store.open(store.last(), keep=False).history.turns


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_a_conversation(default_model_folder, data, tmp_path):
    person = Terminal("chat", "--temperature", "0", "--allow-private", LLMKIT_DATA=str(data))
    _types_while_the_model_loads(person)
    _types_a_command(person)
    _stops_work_that_has_no_pieces(person, tmp_path)
    _pastes_lines_and_is_answered(person, data)
    _stops_an_answer_in_a_window_that_changes(person, data)
    _clears_a_line_and_leaves(person)
    assert person.ended() == 0
    assert COLOUR.search(person.raw)
    assert stat.S_IMODE((data / "history").stat().st_mode) == 0o600


def _types_while_the_model_loads(person: Terminal) -> None:
    person.wait(lambda _: not person.child.getecho())
    person.type("early", "> early")
    person.wait(r"smollm2-135m · ░{10} \d+ of 8192 tokens \(0%\)")
    before, _, _ = person.raw.partition("See /help.")
    assert "early" not in before
    person.type(CTRL_C, lambda text: "early" not in text)


def _types_a_command(person: Terminal) -> None:
    person.type("/set max_n", r"max_new_tokens\s*$|> /set max_n")
    person.settle()
    person.type(TAB, "> /set max_new_tokens")
    person.type(" 8\r", r"\[max_new_tokens is 8\]")


def _stops_work_that_has_no_pieces(person: Terminal, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes calls and never answers
        page = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        person.type(f"/url {page}\r", f"0:00:0. reading {page}")
        person.type(CTRL_C, _stopped_again(person))
    other = folder / "other.gguf"
    other.write_bytes(b"GGUF")
    place = catalog.folder_of(str(other))
    lock = place.with_name(f"{place.name}.lock")
    with FileLock(lock):  # as if another process were converting it
        person.type(f"/model {other}\r", r"0:00:0. loading ")
        person.type(CTRL_C, _stopped_again(person))
    lock.unlink(missing_ok=True)
    person.type("/show\r", "model +smollm2-135m, 8192 tokens(.|\n)*attached +nothing")


def _pastes_lines_and_is_answered(person: Terminal, data: Path) -> None:
    person.type(pasted("What is\nthe capital"), "> What is\n… the capital")
    person.type(f"{ALT_ENTER}of France?", "… of France")
    person.type("\r", r"France\?\n\S.*\n(.|\n)*\[the answer was cut(.|\n)* tokens/s · first after")
    assert [turn.message for turn in turns(data)] == ["What is\nthe capital\nof France?"]


def _stops_an_answer_in_a_window_that_changes(person: Terminal, data: Path) -> None:
    person.type("/set max_new_tokens 300\r", r"\[max_new_tokens is 300\]")
    person.type("/set min_new_tokens 300\r", r"\[min_new_tokens is 300\]")
    _begins_to_be_told(person)
    person.resize(50, 24)
    person.wait(_more_than(person, 80))
    person.type(f"keys between words{CTRL_C}", _stopped_again(person))
    turn = turns(data)[-1]
    assert (turn.message, turn.finish_reason) == (STORY, "cancelled")
    assert squeezed(turn.answer) in squeezed(person.text)
    assert person.text.count(turn.answer[:30]) == 1  # what was drawn for 80 columns is gone


def _begins_to_be_told(person: Terminal) -> None:
    person.type(STORY, "mountain")
    person.type("\r", _more_than(person, 100))


def _more_than(person: Terminal, count: int) -> Callable[[str], bool]:
    """Tell when so many more letters are shown than now."""
    before = len(squeezed(person.text))
    return lambda text: len(squeezed(text)) > before + count


def _stopped_again(person: Terminal) -> Callable[[str], bool]:
    """Tell when something more was stopped, and a line is asked for again."""
    before = person.text.count("[stopped]\n\n>")
    return lambda text: text.count("[stopped]\n\n>") > before


def _clears_a_line_and_leaves(person: Terminal) -> None:
    person.type("never \x1b[31msent\x1b[M !!", "> never sent")  # colours, and what a mouse sends
    person.type(CTRL_C, lambda text: "never sent" not in text)
    person.type(CTRL_C, "Ctrl-C again leaves")
    person.type("x", lambda text: "Ctrl-C again" not in text)
    person.type(f"\x7f{CTRL_C}", "Ctrl-C again leaves")
    person.type(CTRL_C)


def test_killed_in_a_narrow_window_without_colours_or_unicode(default_model_folder, data):
    before = turns(data)
    plain = {"NO_COLOR": "1", "LC_ALL": "C", "VISUAL": "sh -c 'printf _tokens\\ 300 >>$0'"}
    person = Terminal("chat", "--temperature", "0", columns=40, LLMKIT_DATA=str(data), **plain)
    person.wait(r"smollm2-135m - [.#]{10} \d+/8192 ")
    person.type(UP, "> Write a very long story")
    person.type(CTRL_C, lambda text: "long story" not in text)
    person.type(f"{CTRL_R}tokens 8", "> /set max_new_tokens 8")
    person.type("\r", r"\[max_new_tokens is 8\]")
    person.type("/edit /set max_new\r", r"\[max_new_tokens is 300\]")
    person.type("/system Wörter, 数量和文字很长很长很长很长很长很长很长很长 🍎\r", "system prompt is changed")
    person.type("/system\r", "Wörter, 数量和文字")
    person.type("/tokens\r", "system")
    person.settle()
    written = person.raw.partition("See /help.")[2]
    assert not COLOUR.search(written)
    assert {sign for sign in written if not sign.isascii()} <= set("Wörter数量和文字很长🍎")
    _begins_to_be_told(person)
    os.kill(person.child.pid, signal.SIGKILL)
    assert person.ended() == -signal.SIGKILL
    after = turns(data)
    assert [turn.message for turn in after] == [STORY]
    assert after[-1].finish_reason == "cancelled"
    assert len(before) == 2


def test_resumed_with_answers_to_a_file(default_model_folder, data, tmp_path):
    answers = tmp_path / "answers.txt"
    person = Terminal(
        "chat", "--resume", "--max-new-tokens", "8", shell=f"> {answers}", LLMKIT_DATA=str(data), TERM="dumb"
    )
    person.wait(r"1 turn so far, (.|\n)*>$")
    person.type("/set min_new_tokens 8\r", r"\[min_new_tokens is 8\]\n+>$")
    broken_off = turns(data)[-1].answer
    person.type("/continue\r", r">$")
    person.wait(lambda _: turns(data)[-1].answer != broken_off)
    person.wait(r"cut at its limit(.|\n)*>$")
    person.type(f"never sent{CTRL_C}", "never sent\n+>$")
    person.type(CTRL_C, "Ctrl-C again leaves")
    person.type(CTRL_D)
    assert person.ended() == 0
    answer = turns(data)[-1].answer
    assert answer.startswith(broken_off)
    assert answers.read_text() == answer.removeprefix(broken_off) + "\n"
    assert "\x1b" not in person.raw.partition("See /help.")[2]
