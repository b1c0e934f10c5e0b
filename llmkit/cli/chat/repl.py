"""The loop of a chat: a line is taken, its events are shown, until the person leaves or the pipe ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from types import FrameType

from llmkit.cli.chat import commands
from llmkit.cli.chat.events import Edit, Event, Left, Piece, Problem
from llmkit.cli.chat.screens import View
from llmkit.cli.chat.state import ChatState


def at_terminal(state: ChatState, view: View) -> int:
    """Ask for lines until the person leaves; return the exit code."""
    from llmkit.cli.chat.keyboard import Prompt

    view.shows_past = True
    prompt, status = Prompt(lambda: state.status, lambda command: command.choices(state)), state.status
    view.note(f"{status.model}, {status.window} tokens. Ctrl-C stops an answer, exit leaves. See /help.")
    if prompt.note:
        view.note(prompt.note)
    view.show_all(state.opening())
    last: Event | None = None
    while not isinstance(last, Left):
        line = prompt.ask(last.text if isinstance(last, Edit) else None)
        if line is None:
            break
        last = _show_interruptible(commands.take(state, line), view)
    return 0


def _show_interruptible(events: Generator[Event, None, None], view: View) -> Event | None:
    """Show the events of a line, and return the last one; Ctrl-C stops them."""
    event = None
    view.wait()
    with closing(events), interruptible() as interrupt:
        try:
            for event in events:
                interrupt.deferred = isinstance(event, Piece)
                view.show(event)
                if interrupt.pressed:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            interrupt.deferred, interrupt.pressed = True, False
            events.close()
            view.note("stopped")
            return None
        finally:
            view.end()
    return event


def through_pipe(state: ChatState, lines: Iterable[bytes], view: View, *, numbered: bool = True) -> int:
    """Take each line as a turn; return the exit code: 2 if one was a problem, else 1 if not all could be saved."""
    code = 0
    view.show_all(state.opening())
    for number, data in enumerate(lines, 1):
        last = _show(_take_bytes(state, data), view, f"line {number} of standard input: " if numbered else "")
        if isinstance(last, Left):
            break
        code = 2 if isinstance(last, Problem) else code
    return code or int(bool(state.reported_trouble))


def _show(events: Generator[Event, None, None], view: View, place: str = "") -> Event | None:
    """Show the events of a line, problems with their place, and return the last problem, or else the last event."""
    last: Event | None = None
    try:
        with closing(events):
            for event in events:
                shown = Problem("there is no editor without a terminal") if isinstance(event, Edit) else event
                last = last if isinstance(last, Problem) and not isinstance(shown, Problem) else shown
                view.show(replace(shown, text=place + shown.text) if isinstance(shown, Problem) else shown)
    finally:
        view.end()
    return last


def _take_bytes(state: ChatState, data: bytes) -> Generator[Event, None, None]:
    try:
        line = data.decode()
    except UnicodeDecodeError:
        yield Problem("it is not UTF-8 text")
        return
    yield from commands.take(state, line)


class Interrupt:
    """A handler of Ctrl-C, which raises KeyboardInterrupt, or if `deferred` only sets `pressed`.

    `pressed` is checked between the pieces of an answer, so that none is torn.
    """

    deferred = pressed = False

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
