"""Where answers are shown: Markdown at a terminal, the bare text anywhere else."""

from __future__ import annotations

import os
import time
from typing import Protocol, TextIO

from rich.console import Console

from llmkit.cli.chat.screen.characters import clean, symbols_for, written
from llmkit.cli.chat.screen.markdown import Page, Stream
from llmkit.cli.chat.screen.pane import Pane, size_of


class Screen(Protocol):
    """Shows one answer after the other."""

    def piece(self, text: str) -> None:
        """Show a piece of an answer."""

    def end(self) -> None:
        """End the answer, if one has begun, and its line."""

    def output(self, text: str, *, markdown: bool, table: bool = False) -> None:
        """Show a text that is there as a whole."""


def screen_for(stream: TextIO) -> Screen:
    """Choose by what the stream is."""
    if not stream.isatty():
        return PlainScreen(stream)
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if console.is_dumb_terminal or console.legacy_windows:
        return PlainScreen(stream, cleaned=True)
    return MarkdownScreen(stream, console)


class PlainScreen:
    """Text as it comes; cleaned where a terminal reads it, as it was where a file does."""

    def __init__(self, stream: TextIO, *, cleaned: bool = False) -> None:
        self._stream, self._cleaned = stream, cleaned
        self._ended = True

    def piece(self, text: str) -> None:
        """Show a piece of an answer."""
        encoding = self._stream.encoding or "utf-8"
        shown = clean(text.replace("\r", ""), encoding) if self._cleaned else written(text, encoding)
        self._stream.write(shown)
        self._stream.flush()
        self._ended = shown.endswith("\n") if shown else self._ended

    def end(self) -> None:
        """End the line."""
        if not self._ended:
            self.piece("\n")

    def output(self, text: str, *, markdown: bool, table: bool = False) -> None:
        """Show a text, Markdown as it was written."""
        self.piece(text)
        self.end()


class MarkdownScreen:
    """Markdown, laid out while it comes: what is settled is printed for good, what is open drawn anew."""

    def __init__(self, stream: TextIO, console: Console) -> None:
        self._stream, self._console, self._symbols = stream, console, symbols_for(stream)
        self._pane = Pane(stream, console)
        self._text: Stream | None = None
        self._drawn, self._cost = 0.0, 0.0

    def piece(self, text: str) -> None:
        """Show a piece; where drawing is slow the next ones wait, so that the model keeps the processor."""
        self._text = self._text or Stream()
        self._text.add(clean(text, self._stream.encoding))
        begun = time.monotonic()
        if begun - self._drawn < 2 * self._cost:
            return
        columns, height = size_of(self._stream)
        page = self._page(columns)
        settled = self._text.settled(page)
        more, rows = self._text.unsettled(page, height - 1)
        self._pane.draw([*settled, *more], rows, columns)
        self._drawn = time.monotonic()
        self._cost = self._drawn - begun

    def end(self) -> None:
        """Settle what is open."""
        if self._text is None:
            return
        columns, _ = size_of(self._stream)
        self._pane.draw(self._text.rest(self._page(columns)), [], columns)
        self._pane.end()
        self._text = None

    def output(self, text: str, *, markdown: bool, table: bool = False) -> None:
        """Show a text that is there as a whole."""
        columns, _ = size_of(self._stream)
        page = self._page(columns)
        shown = clean(text, self._stream.encoding)
        whole = Stream()
        whole.add(shown if markdown else "")
        rows = whole.rest(page) if markdown else page.as_it_stands(shown.rstrip("\n"), table=table)
        self._pane.draw(rows, [], columns)
        self._pane.end()

    def _page(self, columns: int) -> Page:
        return Page(self._console, self._symbols, columns - (os.name == "nt"))
