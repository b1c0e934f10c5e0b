"""Where answers are shown: Markdown at a terminal, the bare text anywhere else."""

from __future__ import annotations

import os
import re
import time
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.segment import Segment, SegmentLines
from rich.text import Text

from llmkit.cli.chat.screen.characters import clean, escape_unencodable
from llmkit.cli.chat.screen.markdown import THEME, render, split_blocks
from llmkit.cli.console import shows_unicode


def screen_for(stream: TextIO) -> Screen:
    """Choose the screen for a stream: a terminal that can move its cursor shows Markdown."""
    if not stream.isatty():
        return PlainScreen(stream)
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    console = Console(file=stream, highlight=False, markup=False, emoji=False, theme=THEME, _environ=environment)
    if console.is_dumb_terminal or console.legacy_windows:
        return PlainScreen(stream, cleaned=True)
    return MarkdownScreen(stream, console)


class PlainScreen:
    """Text as it comes; a terminal gets it without control characters, a file as it is."""

    def __init__(self, stream: TextIO, *, cleaned: bool = False) -> None:
        self._stream, self._cleaned = stream, cleaned
        self._ended = True

    def piece(self, text: str) -> None:
        """Show a piece of an answer."""
        encoding = self._stream.encoding or "utf-8"
        shown = clean(text.replace("\r", ""), encoding) if self._cleaned else escape_unencodable(text, encoding)
        self._stream.write(shown)
        self._stream.flush()
        self._ended = shown.endswith("\n") if shown else self._ended

    def end(self) -> None:
        """End the line."""
        if not self._ended:
            self.piece("\n")

    def output(self, text: str, *, table: bool = False) -> None:
        """Show a text that is complete."""
        self.piece(text)
        self.end()


class MarkdownScreen:
    """Markdown while it is written: complete blocks are printed, and only the last one is drawn again."""

    def __init__(self, stream: TextIO, console: Console) -> None:
        self._stream, self._console = stream, console
        self._ascii_only = not shows_unicode(stream)
        self._live: Live | None = None
        self._open = ""  # the text of the last block
        self._printed = False  # whether a block of this answer was printed
        self._drawn = self._cost = 0.0

    def piece(self, text: str) -> None:
        """Show a piece; where drawing is slow the next ones wait, so that the model keeps the processor."""
        self._open = re.sub(r"\r\n|\r(?!\Z)", "\n", self._open + clean(text, self._stream.encoding))
        if not self._printed:
            self._open = re.sub(r"\A(?:[ \t]*\n)+", "", self._open)
        begun = time.monotonic()
        if not self._open.strip() or begun - self._drawn < 2 * self._cost:
            return
        self._resize()
        if self._live is None:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                vertical_overflow="visible",
                redirect_stdout=False,
                redirect_stderr=False,
            )
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
            self._resize()
            self._live.update(Text(""))
            self._live.stop()
            self._live = None
        if self._open.strip():
            self._resize()
            self._print(self._rows(split_blocks(self._open)))
        self._open, self._printed = "", False

    def output(self, text: str, *, table: bool = False) -> None:
        """Show a text that is complete; an address longer than a row is left to the terminal, to be copied whole."""
        self._resize()
        for line in clean(text, self._stream.encoding).rstrip("\n").split("\n"):
            is_long = any(len(word) > self._console.width for word in line.split())
            self._console.print(
                Text(line), no_wrap=table, overflow="crop" if table else "fold", soft_wrap=is_long and not table
            )

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

    def _resize(self) -> None:
        """Take the terminal's size as it is now; rich would ask standard output, and believe `COLUMNS`."""
        self._console.size = size_of(self._stream)


Screen = PlainScreen | MarkdownScreen
"""`piece` shows a piece of an answer, `end` ends it, and `output` shows a text that is complete."""


def size_of(stream: TextIO) -> tuple[int, int]:
    """Return the columns and rows of a terminal as they are now."""
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns, rows = 0, 0
    return (columns or 80) - (os.name == "nt"), rows or 24
