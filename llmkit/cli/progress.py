"""A bar on stderr for work that takes long: only on a terminal, and never with `--quiet`."""

from __future__ import annotations

import io
import locale
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr
from typing import Any, TextIO

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


class Bar:
    """How far the work is."""

    def __init__(self, shown: Any) -> None:
        self._shown = shown

    def advance(self, steps: int) -> None:
        """Count so many more steps as done."""
        self._shown.update(steps)

    def show(self, done: int, total: int) -> None:
        """Show so many steps of so many, where the total may still grow."""
        self._shown.total = total
        self._shown.update(done - self._shown.n)


@contextmanager
def bar(unit: str, *, total: int | None = None, quiet: bool = False) -> Iterator[Bar]:
    """Give a bar, which appears when the work has taken a second, tells the time, and goes away at its end."""
    from tqdm import tqdm

    hidden = quiet or not sys.stderr.isatty()
    with tqdm(total=total, unit=f" {unit}", leave=False, delay=1, disable=hidden, file=sys.stderr) as shown:

        def draw(_: float) -> None:
            shown.delay = 0  # else tqdm does not know that there is something to clear at the end
            shown.refresh()

        with nullcontext() if hidden else ticking(draw):
            yield Bar(shown)


def tell_typing(file: str, *, quiet: bool) -> None:
    """Tell a person at a terminal that standard input, `-`, is what they type."""
    if file == "-" and not quiet and sys.stdin.isatty() and sys.stderr.isatty():
        print("note: reading what you type; Ctrl-D on an empty line ends it", file=sys.stderr)


def hushed(quiet: bool) -> AbstractContextManager[Any]:
    """Keep notices and bars of the work off stderr, where nothing but errors is wanted there."""
    return redirect_stderr(io.StringIO()) if quiet else nullcontext()


class _Notices(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        notice(record.getMessage())


def notice(text: str) -> None:
    """Show a line that is no result, on stderr."""
    print(f"llmkit: {text}", file=sys.stderr, flush=True)


def show_notices() -> None:
    """Show what the library logs, such as that it fetches a model, on stderr."""
    logger = logging.getLogger("llmkit")
    if not any(isinstance(handler, _Notices) for handler in logger.handlers):
        logger.addHandler(_Notices(logging.WARNING))
