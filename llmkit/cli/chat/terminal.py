"""A chat at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING

from llmkit.cli.chat.events import Edit, Ended, Event, Left, Note, Output, Piece, Problem, Working
from llmkit.cli.chat.interrupt import interruptible
from llmkit.cli.chat.progress import Progress
from llmkit.cli.chat.screen import screen_for
from llmkit.cli.chat.symbols import symbols_for
from llmkit.cli.chat.typed import Typed

if TYPE_CHECKING:
    from llmkit.cli.chat.session import Session


def talk(session: Session, *, quiet: bool = False) -> int:
    """Take lines and show what comes of them until the person leaves; the exit code."""
    view, typed = View(quiet=quiet), Typed(session)
    status = session.status()
    view.note(f"{status.model}, {status.window} tokens. Ctrl-C stops an answer, Ctrl-D leaves. See /help.")
    for event in session.opened():
        view.show(event)
    view.end()
    line = typed.line()
    while line is not None:
        last = _answered(session.take(line), view)
        if isinstance(last, Left):
            break
        line = typed.edited(last.text) if isinstance(last, Edit) else typed.line()
    return 0


class View:
    """Shows events: answers and what was asked for on stdout, all that is beside them on stderr."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._screen, self._quiet = screen_for(sys.stdout), quiet
        self._beside = screen_for(sys.stderr)
        self._symbols = symbols_for(sys.stderr)
        self._progress = Progress(sys.stderr, self._symbols, hidden=quiet)

    def show(self, event: Event) -> None:
        """Show an event; nothing of the one before is in its way."""
        if isinstance(event, Working) and event.text:
            self._screen.end()
            self._progress.show(event)
            return
        self._progress.stop()
        match event:
            case Piece(text):
                self._screen.piece(text)
                return
            case Output(text, markdown):
                self._screen.end()
                self._screen.output(text if markdown else self._symbols.fitting(text), markdown=markdown)
            case Note(text):
                self.note(text)
            case Problem(text):
                self._screen.end()
                self._tell(f"error: {text}")
            case Ended(finish_reason="length"):
                self.note("the answer was cut at its limit of tokens; /continue goes on")
            case _:
                self._screen.end()
        if not isinstance(event, Ended | Left | Edit):
            self.wait()

    def note(self, text: str) -> None:
        """Say something beside the conversation."""
        self._screen.end()
        if not self._quiet:
            self._tell(f"[{text}]")

    def _tell(self, text: str) -> None:
        self._beside.output(self._symbols.fitting(text), markdown=False)

    def wait(self) -> None:
        """Say that something is going on, if it takes long."""
        self._progress.show(Working(""))

    def end(self) -> None:
        """Leave the cursor at the beginning of a line."""
        self._progress.stop()
        self._screen.end()


def _answered(events: Generator[Event, None, None], view: View) -> Event | None:
    """Show all that comes of a line; give the last event. Ctrl-C stops it."""
    event = None
    view.wait()
    with closing(events), interruptible() as interrupt:
        try:
            for event in events:
                interrupt.held = isinstance(event, Piece)
                view.show(event)
                if interrupt.pressed:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            interrupt.held, interrupt.pressed = True, False
            events.close()
            view.note("stopped")
            return None
        finally:
            view.end()
    return event
