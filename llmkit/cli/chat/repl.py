"""The loop of a chat: a line is taken, its events are shown, until the person leaves or the pipe ends."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace
from functools import partial

from llmkit.cli.chat import commands, dispatch
from llmkit.cli.chat.events import Edit, Event, Left, Piece, Problem
from llmkit.cli.chat.screen.view import View
from llmkit.cli.chat.state import ChatState


def at_terminal(state: ChatState, view: View) -> int:
    """Ask for lines until the person leaves; return the exit code."""
    from llmkit.cli.chat.keyboard.prompt import Prompt

    prompt, status = Prompt(state.status, partial(commands.choices, state)), state.status()
    view.note(f"{status.model}, {status.window} tokens. Ctrl-C stops an answer, exit leaves. See /help.")
    view.show_all(state.opening())
    line = prompt.line()
    while line is not None:
        last = _show_interruptible(dispatch.take(state, line), view)
        if isinstance(last, Left):
            break
        line = prompt.edited(last.text) if isinstance(last, Edit) else prompt.line()
    return 0


def _show_interruptible(events: Generator[Event, None, None], view: View) -> Event | None:
    """Show the events of a line, and return the last one; Ctrl-C stops them."""
    from llmkit.cli.chat.keyboard.interrupts import interruptible

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


def ask_once(state: ChatState, view: View, message: str) -> int:
    """Answer one message; return the exit code, 2 for a problem."""
    view.show_all(state.opening())
    last = _show(dispatch.take(state, message), view)
    return 2 if isinstance(last, Problem) else 0


def through_pipe(state: ChatState, lines: Iterable[bytes], view: View) -> int:
    """Take each line as a turn; return the exit code, 2 if one of them was a problem."""
    code = 0
    view.show_all(state.opening())
    for number, data in enumerate(lines, 1):
        last = _show(_take_bytes(state, data), view, f"line {number} of standard input: ")
        if isinstance(last, Left):
            break
        code = 2 if isinstance(last, Problem) else code
    return code


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
    with closing(dispatch.take(state, line)) as events:
        yield from events
