"""The last rows of a terminal, which may still change; what is above them stays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_REFLOWING = ("TMUX", "VTE_VERSION", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "ITERM_SESSION_ID", "WT_SESSION")
"""What terminals set that break rows anew when they get narrower; others cut them."""
_CUTTING = ("XTERM_VERSION", "STY")
"""What xterm and screen set, which cut: to take too few rows for changeable leaves one behind, too many loses one."""


def size_of(stream: TextIO) -> tuple[int, int]:
    """Give columns and rows as they are now; `COLUMNS` and `LINES` do not follow a window."""
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns, rows = 0, 0
    return columns or 80, rows or 24


_NO_WRAP, _WRAP, _ERASE_LINE, _ERASE_BELOW = "\x1b[?7l", "\x1b[?7h", "\x1b[K", "\x1b[J"


class Pane:
    """Draws rows, of which only what differs is written anew: nothing flickers, and the cursor is where text ends.

    Rows that may be drawn again do not wrap, whatever width the terminal gives a character: their count is what finds
    them.
    """

    def __init__(self, stream: TextIO, console: Console) -> None:
        self._stream, self._console = stream, console
        self._drawn: list[tuple[str, int]] = []
        self._columns = 0

    def draw(self, settled: Sequence[Text], rows: Sequence[Text], columns: int) -> None:
        """Put rows in the place of those drawn last; the settled ones are never touched again."""
        shown = [(self._written(row), cell_len(row.plain)) for row in (*settled, *rows)]
        same = _same(shown, self._drawn) if columns == self._columns else 0
        below = self._drawn[same:]
        parts = []
        if below:
            up = self._height(below, columns) - 1
            parts.append(f"\r\x1b[{up}A" if up else "\r")
        for number, (text, cells) in enumerate(shown[same:], same):
            parts.append("" if number == same and (below or not same) else "\r\n")
            parts.append(_NO_WRAP if number == max(same, len(settled)) else "")
            parts.append(text if cells >= columns else f"{text}{_ERASE_LINE}")
        parts.append(_ERASE_BELOW if len(shown) - same < len(below) else "")
        self._stream.write("".join([*parts, _WRAP]))
        self._stream.flush()
        self._drawn, self._columns = shown[len(settled) :], columns

    def end(self) -> None:
        """Leave what is drawn as it is, and go to the next line."""
        self._stream.write("\r\n")
        self._stream.flush()
        self._drawn = []

    def _height(self, rows: Sequence[tuple[str, int]], columns: int) -> int:
        """Give the rows of the terminal that were drawn, now that it may be narrower."""
        reflowing = any(name in os.environ for name in _REFLOWING) and not any(name in os.environ for name in _CUTTING)
        if columns >= self._columns or not reflowing:
            return len(rows)
        return sum(max(1, -(-cells // columns)) for _, cells in rows)

    def _written(self, row: Text) -> str:
        with self._console.capture() as captured:
            self._console.print(row, end="", soft_wrap=True)
        return captured.get()


def _same(shown: list[tuple[str, int]], before: list[tuple[str, int]]) -> int:
    pairs = zip(shown, before, strict=False)
    return next((number for number, (new, old) in enumerate(pairs) if new != old), min(len(shown), len(before)))
