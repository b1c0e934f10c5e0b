"""The keyboard while the model works: Ctrl-C interrupts it, and other keys wait for the prompt."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class Interrupt:
    """A handler of Ctrl-C.

    Attributes:
        deferred: Whether Ctrl-C only sets `pressed`, to be checked between the pieces of an answer, so that none is
            torn; else it raises KeyboardInterrupt at once.
        pressed: Whether Ctrl-C was pressed while deferred.
    """

    def __init__(self) -> None:
        self.deferred = self.pressed = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        if not self.deferred:
            raise KeyboardInterrupt
        self.pressed = True


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Handle Ctrl-C, and keep the terminal from showing other keys in an answer."""
    interrupt = Interrupt()
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with without_echo():
            yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def without_echo() -> Iterator[None]:
    """Keep the terminal from showing what is typed; it waits for the prompt."""
    if sys.platform == "win32":
        yield
        return
    import termios

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    silent = before.copy()
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(handle, termios.TCSANOW, silent)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal has gone
            termios.tcsetattr(handle, termios.TCSANOW, before)
