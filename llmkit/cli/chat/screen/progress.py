"""What is being done while there is nothing to read yet."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import TextIO

from rich.cells import set_cell_size

from llmkit.cli.chat.events import Working
from llmkit.cli.chat.screen.characters import Symbols, clean
from llmkit.cli.chat.screen.pane import size_of
from llmkit.cli.progress import ticking


class Progress:
    """A line that appears after a second, counts on, and goes without a trace; only where a line can be cleared."""

    def __init__(self, stream: TextIO, symbols: Symbols, *, hidden: bool = False) -> None:
        self._stream, self._symbols = stream, symbols
        self._hidden = hidden or not stream.isatty() or os.environ.get("TERM") == "dumb"
        self._work, self._drawn = Working(""), False
        self._ticking: AbstractContextManager[None] | None = None

    def show(self, work: Working) -> None:
        """Say what is being done; how far it has come goes on in the same line."""
        self._work = work
        if self._ticking is None and not self._hidden:
            self._ticking = ticking(self._draw)
            self._ticking.__enter__()

    def stop(self) -> None:
        """Take the line away."""
        if self._ticking is None:
            return
        self._ticking.__exit__(None, None, None)
        self._ticking = None
        if self._drawn:
            self._write("")
        self._drawn = False

    def _draw(self, seconds: float) -> None:
        work = self._work
        count = f"{work.done}/{work.total} " if work.total else ""
        line = clean(f"{work.text} {count}".lstrip(), self._stream.encoding).replace("\n", " ")
        time = f"{seconds:.0f} s"
        room = size_of(self._stream)[0] - len(time) - 1
        self._write((set_cell_size(line, room) if len(line) > room else line) + time)
        self._drawn = True

    def _write(self, line: str) -> None:
        self._stream.write(f"\r\x1b[K{self._symbols.fitting(line)}")
        self._stream.flush()
