"""What is going on while nothing can be read yet."""

from __future__ import annotations

import threading
import time
from typing import TextIO

from rich.cells import set_cell_size

from llmkit.cli.chat.clean import clean
from llmkit.cli.chat.events import Working
from llmkit.cli.chat.pane import size_of
from llmkit.cli.chat.symbols import Symbols

_PATIENCE = 1.0  # seconds without a word
_FRAME = 0.1


class Spinner:
    """A line on stderr that appears after a second and goes without a trace; nothing where no terminal is."""

    def __init__(self, stream: TextIO, symbols: Symbols, *, hidden: bool = False) -> None:
        self._stream, self._symbols = stream, symbols
        self._hidden = hidden or not stream.isatty()
        self._work = Working("")
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    def show(self, work: Working) -> None:
        """Say what is being done; counts of one piece of work go on in the same line."""
        self._work = work
        if self._thread is None and not self._hidden:
            self._over = threading.Event()
            self._thread = threading.Thread(target=self._turn, args=(self._over, time.monotonic()), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Take the line away."""
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None

    def _turn(self, over: threading.Event, begun: float) -> None:
        if over.wait(_PATIENCE):
            return
        frame = 0
        while not over.wait(_FRAME):
            frame += 1
            line = self._line(frame, int(time.monotonic() - begun))
            self._stream.write(f"\r{set_cell_size(line, size_of(self._stream)[0] - 1)}")
            self._stream.flush()
        self._stream.write("\r" + " " * (size_of(self._stream)[0] - 1) + "\r")
        self._stream.flush()

    def _line(self, frame: int, seconds: int) -> str:
        work = self._work
        sign = self._symbols.spinner[frame % len(self._symbols.spinner)]
        count = f"{work.done}/{work.total}, " if work.total else ""
        text = clean(work.text.replace("…", self._symbols.more), self._stream.encoding)
        return f"{sign} {text}{' ' if text else ''}({count}{seconds} s)".replace("\n", " ")
