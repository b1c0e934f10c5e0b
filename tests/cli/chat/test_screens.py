"""What a terminal shows of what is written to it: a real one, whose screen can be read."""

import io
import os
import queue
import sys
import threading
from collections.abc import Callable

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.cli.chat.events import PastTurn
from llmkit.cli.chat.screens import PAST_ROWS, MarkdownScreen, Screen, Terminal, View, screen_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

TEXTS = st.text(st.sampled_from("ab 数🍎é*_`#-1.|\n\n\t"), max_size=200)


@pytest.fixture(autouse=True)
def a_terminal_with_unicode(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


def seen(write: Callable[[Screen, Callable[[int], None]], None], columns: int = 30, rows: int = 8) -> list[str]:
    """Return all rows that a terminal shows, scrolled up or not; `write` gets a way to change its width."""
    import termios

    main, side = os.openpty()
    terminal = pyte.HistoryScreen(columns, rows, history=10000)
    stream = pyte.ByteStream(terminal)

    titles: queue.Queue[str] = queue.Queue()

    def read() -> None:
        while terminal.title != "the end":
            stream.feed(os.read(main, 65536))
            titles.put(terminal.title)

    def wait_until_read(title: str) -> None:
        """Wait until the terminal has all that was written: one that is closed at once may lose the rest."""
        os.write(side, f"\x1b]2;{title}\x07".encode())
        while titles.get(timeout=60) != title:
            pass

    def resize(width: int) -> None:
        wait_until_read(f"{width} columns")
        termios.tcsetwinsize(side, (rows, width))
        terminal.resize(rows, width)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    resize(columns)
    with os.fdopen(side, "w", encoding="utf-8", newline="") as file:
        write(screen_for(file), resize)
        file.flush()
        wait_until_read("the end")
    reader.join()
    os.close(main)
    width = terminal.columns
    above = ["".join(line[column].data for column in range(width)) for line in terminal.history.top]
    return "\n".join(line.rstrip() for line in [*above, *terminal.display]).rstrip().splitlines()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(1, 40), st.integers(4, 30))
def test_the_screen_shows_the_complete_text_for_any_pieces(text, cut, rows):
    def pieces(screen: Screen, _: object) -> None:
        for start in range(0, len(text), cut):
            screen.piece(text[start : start + cut])
        screen.end()

    def whole(screen: Screen, _: object) -> None:
        screen.piece(text)
        screen.end()

    assert seen(pieces, rows=rows) == seen(whole, rows=rows)


def test_a_text_longer_than_the_screen_in_a_window_that_changes():
    lines = [f"Line {number} is not a short one." for number in range(40)]

    def pieces(screen: Screen, resize: Callable[[int], None]) -> None:
        for number, line in enumerate(lines):
            screen.piece(f"{line}\n\n" if number % 10 == 9 else f"{line}\n")
            if number == 20:
                resize(60)
        screen.end()

    assert [row for row in seen(pieces, rows=12) if row] == lines


def test_code_longer_than_the_screen():
    code = ["```", *(f"line {number}" for number in range(40)), "```"]

    def pieces(screen: Screen, _: object) -> None:
        for line in code:
            screen.piece(f"{line}\n")
        screen.piece("\nThat is it.")
        screen.end()

    assert seen(pieces) == [*code, "", "That is it."]


def test_an_answer_may_be_broken_off_anywhere_and_the_next_one_begins_below():
    def pieces(screen: Screen, _: object) -> None:
        for piece in ("# A title\n\nand **half of", " a", "\n"):
            screen.piece(piece)
        screen.end()
        screen.end()
        screen.output("[stopped]")
        screen.piece("\n\nThe next")
        screen.end()

    assert seen(pieces) == ["A title", "", "and **half of a", "[stopped]", "The next"]


def test_control_sequences_are_shown_but_not_executed():
    text = "a \x1b[2J\x1b]0;title\x07 b\x00 c\x9b1m \x7f \u202eevil"

    def write(screen: Screen, _: object) -> None:
        screen.piece(text)
        screen.end()
        screen.output(text)

    expected = "a ^[[2J^[]0;title^G b^@ c<9b>1m ^? <202e>evil"
    assert seen(write, 60) == [expected, expected]


def test_addresses_are_whole_and_rows_of_a_table_are_not_broken():
    page = "https://a.example/" + "x" * 40

    def write(screen: Screen, _: object) -> None:
        screen.output(f"  words before {page} after")
        screen.output("name  and much that has no room\n数量数量数量数量数量数量数量数量", table=True)

    rows = seen(write)
    assert page in "".join(rows[:-2])
    assert rows[-2:] == ["name  and much that has no roo", "数量数量数量数量数量数量数量数"]


def test_a_line_that_goes_on_is_indented_to_its_second_column():
    help_ = "/set NAME [VALUE]  Change a setting; without a value, restore it.\n/bye  Leave."
    text = f"{help_}\n\n  “A quote of many words in it.”"

    def write(screen: Screen, _: object) -> None:
        screen.output(text)

    assert seen(write, 40) == [
        "/set NAME [VALUE]  Change a setting;",
        "                   without a value,",
        "                   restore it.",
        "/bye  Leave.",
        "",
        "  “A quote of many words in it.”",
    ]
    assert seen(write, 24)[:3] == ["/set NAME [VALUE]", "Change a setting;", "without a value, restore"]
    assert seen(write, 24)[-2:] == ["  “A quote of many words", "  in it.”"]


def test_a_dumb_terminal_gets_plain_streamed_text(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")

    def write(screen: Screen, _: object) -> None:
        screen.piece("**a")
        screen.piece("** \x1b[2Jb")
        screen.end()

    assert seen(write) == ["**a** ^[[2Jb"]


def test_a_pipe_gets_what_was_written_without_control_characters():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="")
    screen = screen_for(file)
    for piece in ("**a**\r\n", "\x1b[2J", "é"):
        screen.piece(piece)
    screen.end()
    screen.end()
    assert file.buffer.getvalue() == b"**a**\n^[[2J\\xe9\n"  # type: ignore[attr-defined]


def test_a_past_turn_is_dimmed_and_a_long_answer_cut():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    screen = MarkdownScreen(stream, Terminal(file=stream, force_terminal=True, color_system="standard"))
    screen.past(PastTurn("Name **some** \x1b[31mnumbers", "\n\n".join(f"number {count}" for count in range(30))))
    stream.seek(0)
    lines = stream.read().splitlines()
    assert lines[0] == "\x1b[2m> Name **some** ^[[31mnumbers\x1b[0m"
    assert all("\x1b[2m" in line for line in lines if line.strip())
    assert (len(lines), "number 0" in lines[1], "…" in lines[-2]) == (1 + PAST_ROWS + 2, True, True)


def test_past_turns_are_for_people():
    text = "\n".join(seen(lambda screen, _: screen.past(PastTurn("Who?", "It is *Ann*."))))
    assert text.startswith("> Who?\nIt is Ann.")
    file = io.StringIO()
    screen_for(file).past(PastTurn("Who?", "Ann"))
    assert file.getvalue() == ""


def test_a_pipe_gets_no_past_turns(capsys):
    view = View()
    view.show_all([PastTurn("Who?", "Ann")])
    assert capsys.readouterr() == ("", "")
