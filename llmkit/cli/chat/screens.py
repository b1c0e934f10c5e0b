"""Shows events: Markdown at a terminal, the bare text elsewhere; notes and problems on stderr.

Control characters are shown before a text is laid out, so that its rows are as wide as they seem.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, TextIO

from rich.console import ConsoleDimensions
from rich.live import Live
from rich.segment import Segment, SegmentLines
from rich.style import Style
from rich.text import Text

from llmkit.cli.chat.events import Alert, Edit, Ended, Event, Left, Note, Output, PastTurn, Piece, Problem, Working
from llmkit.cli.chat.history import shorten
from llmkit.cli.chat.markdown import THEME, render, split_blocks
from llmkit.cli.console import progress, shows_unicode
from llmkit.cli.control_characters import show_controls
from llmkit.cli.option_names import as_typed
from llmkit.cli.terminal import CleanConsole

ASCII = str.maketrans({"█": "#", "░": ".", "…": "...", "·": "-", "“": '"', "”": '"'})
"""What is shown for this program's own signs where a terminal may lack them."""
PAST_ROWS = 8
"""The most rows of an answer that is shown again."""
PAST_CHARACTERS = 400
CUT = "the answer was cut at its limit of tokens: /continue continues it, /set max_new_tokens raises the limit"
CUT_ALONE = "the answer was cut at its limit of tokens: --max-new-tokens raises the limit"
"""The same where there is no chat that goes on."""
_LIVE: dict[str, Any] = dict(auto_refresh=False, transient=True, vertical_overflow="visible")


def screen_for(stream: TextIO) -> Screen:
    """Choose the screen for a stream: a terminal that can move its cursor shows Markdown."""
    if not stream.isatty():
        return PlainScreen(stream)
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    console = Terminal(file=stream, theme=THEME, _environ=environment)
    if console.is_dumb_terminal or console.legacy_windows:
        return PlainScreen(stream, shows_past=True)
    return MarkdownScreen(stream, console)


class Terminal(CleanConsole):
    """A terminal of the size that it has now; rich would ask standard output, and believe `COLUMNS`."""

    @property  # type: ignore[misc]
    def size(self) -> ConsoleDimensions:
        """The columns and rows."""
        try:
            columns, rows = os.get_terminal_size(self.file.fileno())
        except (OSError, ValueError):
            columns, rows = 0, 0
        return ConsoleDimensions((columns or 80) - (os.name == "nt"), rows or 24)


class PlainScreen:
    """Text as it comes."""

    def __init__(self, stream: TextIO, *, shows_past: bool = False) -> None:
        self._stream, self._lines, self._shows_past = stream, LineEnds(), shows_past
        self._ended = True

    def piece(self, text: str) -> None:
        """Show a piece of an answer."""
        shown = show_controls(self._lines.normalize(text), self._stream.encoding)
        self._stream.write(shown)
        self._stream.flush()
        self._ended = shown.endswith("\n") if shown else self._ended

    def end(self) -> None:
        """End the line."""
        if not self._ended:
            self.piece("\n")
        self._lines = LineEnds()

    def output(self, text: str, *, table: bool = False) -> None:
        """Show a text that is complete."""
        self.piece(text)
        self.end()

    def past(self, turn: PastTurn) -> None:
        """Show a turn of before; a file gets none."""
        if self._shows_past:
            self.output(f"> {shorten(turn.message)}\n{shorten(turn.answer, PAST_CHARACTERS)}\n")


class MarkdownScreen:
    """Markdown while it is written: complete blocks are printed, and only the last one is drawn again."""

    def __init__(self, stream: TextIO, console: CleanConsole) -> None:
        self._stream, self._console, self._lines = stream, console, LineEnds()
        self._ascii_only = not shows_unicode(stream)
        self._live: Live | None = None
        self._open = ""  # the text of the last block
        self._printed = False  # whether a block of this answer was printed
        self._drawn = self._cost = 0.0

    def piece(self, text: str) -> None:
        """Show a piece; where drawing is slow the next ones wait, so that the model keeps the processor."""
        self._open += show_controls(self._lines.normalize(text), self._stream.encoding)
        if not self._printed:
            self._open = re.sub(r"\A(?:[ \t]*\n)+", "", self._open)
        begun = time.monotonic()
        if not self._open.strip() or begun - self._drawn < 2 * self._cost:
            return
        if self._live is None:
            self._live = Live(console=self._console, redirect_stdout=False, redirect_stderr=False, **_LIVE)
            self._live.start()
            self._console.show_cursor()  # a chat that is killed leaves a terminal with its cursor
        complete = split_blocks(self._open[: self._open.rfind("\n") + 1])[:-1]
        self._open = self._open[sum(map(len, complete)) :]
        settled = self._rows(complete)
        open_rows = self._rows(split_blocks(self._open), gap=self._printed or bool(settled))
        self._live.update(SegmentLines(open_rows[-(self._console.height - 1) :], new_lines=True))
        self._print(settled) if settled else self._live.refresh()
        self._drawn = time.monotonic()
        self._cost = self._drawn - begun

    def end(self) -> None:
        """Print what is left of the answer, and leave the cursor on a new line."""
        if self._live is not None:
            self._live.update(Text(""))
            self._live.stop()
            self._live = None
        if self._open.strip():
            self._print(self._rows(split_blocks(self._open)))
        self._open, self._printed, self._lines = "", False, LineEnds()

    def output(self, text: str, *, table: bool = False) -> None:
        """Show a text that is complete; an address longer than a row is left to the terminal, to be copied whole."""
        for line in show_controls(text, self._stream.encoding).rstrip("\n").split("\n"):
            indent = hanging_indent(line) if hanging_indent(line) <= self._console.width // 2 else 0
            if table or any(len(word) > self._console.width - indent for word in line.split()):
                self._console.print(
                    Text(line), no_wrap=table, overflow="crop" if table else "fold", soft_wrap=not table
                )
                continue
            rows = Text(line[indent:]).wrap(self._console, self._console.width - indent, overflow="fold")
            for number, row in enumerate(rows or [Text()]):
                self._console.print(Text(" " * indent if number else line[:indent]) + row, no_wrap=True)

    def past(self, turn: PastTurn) -> None:
        """Show a turn of before, dimmed, the beginning of a long answer only."""
        message = [[Segment(f"> {shorten(show_controls(turn.message), self._console.width - 2)}")]]
        answer = self._rows(split_blocks(show_controls(turn.answer, self._stream.encoding)), gap=False)
        cut = [[Segment("…" if not self._ascii_only else "...")]] if len(answer) > PAST_ROWS else []
        rows = [*message, *answer[:PAST_ROWS], *cut, []]
        dim = Style(dim=True)
        dimmed = [list(Segment.apply_style(row, post_style=dim)) for row in rows]
        self._console.print(SegmentLines(dimmed, new_lines=True), end="")

    def _rows(self, blocks: list[str], *, gap: bool | None = None) -> list[list[Segment]]:
        """Lay blocks out, with an empty row between two; `gap` tells whether one comes before the first."""
        rows: list[list[Segment]] = []
        gap = self._printed if gap is None else gap
        for block in blocks:
            shown = render(block, self._console, ascii_only=self._ascii_only)
            rows += [[], *shown] if (gap or rows) and shown else shown
        return rows

    def _print(self, rows: list[list[Segment]]) -> None:
        self._console.print(SegmentLines(rows, new_lines=True), end="")
        self._printed = True


Screen = PlainScreen | MarkdownScreen
"""`piece` shows a piece of an answer, `end` ends it, and `output` shows a text that is complete."""


class View:
    """Shows events; `quiet` shows no notes and no progress, `debug` the traceback of a problem too.

    After a `single` message, notes and problems name options of the command line, not commands of a chat.
    """

    def __init__(self, *, quiet: bool = False, debug: bool = False, single: bool = False) -> None:
        self._answers, self._notes = screen_for(sys.stdout), screen_for(sys.stderr)
        self._progress = ExitStack()
        self._quiet, self._debug, self._single = quiet, debug, single
        self.shows_past = False  # past turns are for a person who goes on with a conversation

    def show(self, event: Event) -> None:
        """Show an event."""
        self._progress.close()
        if isinstance(event, Piece):
            self._answers.piece(event.text)
            return
        self._answers.end()
        match event:
            case Output(text, table):
                self._answers.output(signs_for(text, sys.stderr), table=table)
            case PastTurn():
                if self.shows_past and not self._quiet:
                    (self._answers if sys.stdout.isatty() else self._notes).past(event)
            case Note(text):
                self.note(text)
            case Alert(text):
                self._print_note(f"warning: {text}")
            case Problem(text, trace):
                self._print_note(f"{trace if self._debug else ''}error: {self._named(text)}")
            case Ended(finish_reason="length"):
                self.note(CUT_ALONE if self._single else CUT)
        if not isinstance(event, Ended | Left | Edit):
            self.wait(event.text if isinstance(event, Working) else "")

    def show_all(self, events: Iterable[Event]) -> None:
        """Show what comes before the first line."""
        for event in events:
            self.show(event)
        self.end()

    def note(self, text: str) -> None:
        """Show a note beside the conversation."""
        self.end()
        if not self._quiet:
            self._print_note(f"[{self._named(text)}]")

    def wait(self, text: str = "") -> None:
        """Show the time that passes, and what is being done."""
        self._progress.close()
        if not self._quiet:
            self._progress.enter_context(progress(signs_for(text, sys.stderr)))

    def end(self) -> None:
        """Leave the cursor at the beginning of a line."""
        self._progress.close()
        self._answers.end()

    def _print_note(self, text: str) -> None:
        self._notes.output(signs_for(text, sys.stderr))

    def _named(self, text: str) -> str:
        return as_typed(text) if self._single else text


def hanging_indent(line: str) -> int:
    """Return how far the rows are indented that continue a line: to its second column, or as far as its first row."""
    column = re.match(r"(?=\S).*?\S {2,}", line)
    return column.end() if column else len(line) - len(line.lstrip(" "))


class LineEnds:
    r"""Makes `\r` and `\r\n` a line end `\n`, also where these come in two pieces of a text."""

    def __init__(self) -> None:
        self._after_return = False

    def normalize(self, text: str) -> str:
        """Return the next piece."""
        rest = text.removeprefix("\n") if self._after_return else text
        self._after_return = text.endswith("\r") if text else self._after_return
        return re.sub(r"\r\n?", "\n", rest)


def signs_for(text: str, stream: TextIO) -> str:
    """Return one of this program's own texts with signs that the stream can show."""
    return text if shows_unicode(stream) else text.translate(ASCII)
