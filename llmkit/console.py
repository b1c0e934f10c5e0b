"""Work that takes a while: shown on a terminal's stderr with the seconds that it has taken, and gone at its end."""

from __future__ import annotations

import locale
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

DELAY = 1.0
"""Seconds: what is done by then is not shown."""
EVERY = 1.0

_running: list[object] = []


def shows_unicode(stream: TextIO) -> bool:
    """Tell whether a stream can show any sign: Python writes UTF-8 under `LC_ALL=C` too, where a terminal may not."""
    written = (stream.encoding or "ascii").lower().replace("-", "")
    read = locale.getencoding().lower().replace("-", "") if os.name == "posix" else written
    return written == read == "utf8"


@contextmanager
def ticking(draw: Callable[[float], None]) -> Iterator[None]:
    """Call `draw` with the seconds so far, again and again, after a moment; of several at once the innermost draws."""
    own, done, started = object(), threading.Event(), time.monotonic()

    def tick() -> None:
        pause = DELAY
        while not done.wait(pause):
            pause = EVERY
            if _running[-1:] == [own]:
                draw(time.monotonic() - started)

    thread = threading.Thread(target=tick, daemon=True)
    _running.append(own)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        _running.remove(own)


@contextmanager
def waiting(what: str, *, quiet: bool = False) -> Iterator[None]:
    """Show what is being done, and for how long; nothing where stderr is no terminal that can clear a line."""
    terminal = sys.stderr  # kept: the work itself may hide what it writes to stderr
    if quiet or not terminal.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    shown: list[float] = []
    more = "…" if shows_unicode(terminal) else "..."

    def draw(seconds: float) -> None:
        shown.append(seconds)
        time_so_far = f" {more} {seconds:.0f} s"
        room = shutil.get_terminal_size().columns - len(time_so_far) - 1  # a line that wraps could not be cleared
        print(f"\r\x1b[K{what[: max(room, 0)]}{time_so_far}", end="", file=terminal, flush=True)

    try:
        with ticking(draw):
            yield
    finally:
        if shown:
            print("\r\x1b[K", end="", file=terminal, flush=True)
