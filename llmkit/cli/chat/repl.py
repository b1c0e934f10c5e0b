"""The loop of a chat: a line is taken, what comes of it is shown, until the person leaves or the pipe ends."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from llmkit.cli.chat.events import Edit, Event, Left, Piece, Problem
from llmkit.cli.chat.screen.view import View

if TYPE_CHECKING:
    from llmkit.cli.chat.session import Session


def at_terminal(session: Session, view: View) -> int:
    """Ask for lines until the person leaves; the exit code."""
    from llmkit.cli.chat.keyboard.prompt import Typed

    typed, status = Typed(session), session.status()
    view.note(f"{status.model}, {status.window} tokens. Ctrl-C stops an answer, Ctrl-D leaves. See /help.")
    view.show_all(session.opened())
    line = typed.line()
    while line is not None:
        last = _answered(session.take(line), view)
        if isinstance(last, Left):
            break
        line = typed.edited(last.text) if isinstance(last, Edit) else typed.line()
    return 0


def _answered(events: Generator[Event, None, None], view: View) -> Event | None:
    """Show all that comes of a line; give the last event. Ctrl-C stops it."""
    from llmkit.cli.chat.keyboard.interrupt import interruptible

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


def through_pipe(session: Session, lines: Iterable[bytes], view: View) -> int:
    """Take each line as a turn; give 2 if one could not be taken, else 0."""
    code = 0
    view.show_all(session.opened())
    for number, data in enumerate(lines, 1):
        with closing(_taken(session, data)) as events:
            for event in events:
                if isinstance(event, Left):
                    return code
                shown = event
                if isinstance(event, Problem):
                    shown, code = replace(event, text=f"line {number} of standard input: {event.text}"), 2
                view.show(shown)
        view.end()
    return code


def _taken(session: Session, data: bytes) -> Generator[Event, None, None]:
    try:
        line = data.decode()
    except UnicodeDecodeError:
        yield Problem("it is not UTF-8 text")
        return
    with closing(session.take(line)) as events:
        for event in events:
            yield Problem("there is no editor where the chat is a pipe") if isinstance(event, Edit) else event
