"""The keyboard while an answer comes: Ctrl-C stops it, and what else is typed waits for the prompt."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class Interrupt:
    """Ctrl-C while work is done.

    Attributes:
        held: it is only remembered, to be looked at between the pieces of an answer, so that none is torn; else it
            breaks off what is being done at once.
        pressed: it was pressed while held.
    """

    def __init__(self) -> None:
        self.held = self.pressed = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        if not self.held:
            raise KeyboardInterrupt
        self.pressed = True


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Handle Ctrl-C, and keep the terminal from writing the keys between the words of an answer."""
    interrupt = Interrupt()
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with silent_keys():
            yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def silent_keys() -> Iterator[None]:
    """Keep the terminal from writing what is typed; it waits for the prompt."""
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
