"""Commands on what the model is told, which model it is, and the last turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmkit.cli import options
from llmkit.cli.chat import answering, window
from llmkit.cli.chat.conversation.history import Change, Turn, applied, short
from llmkit.cli.chat.events import Event, Note, Output, Working
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.cli.chat.session import Session


def system(session: Session, argument: str) -> Iterator[Event]:
    """Show or change the system text."""
    if not argument:
        yield Output(session.history.system or "There is no system text.")
        return
    text = "" if argument == "-" else argument
    window.check_system(session.llm, text)
    session.change({"do": "system", "text": text})
    yield Note("the system text holds from now on" if text else "there is no system text any more")


def model(session: Session, argument: str) -> Iterator[Event]:
    """Go on with another model; the old one stays if that cannot be loaded."""
    if not argument:
        yield Output(f"{session.model}, {session.llm.context_window} tokens")
        return
    yield Working(f"loading {argument} …")
    try:
        llm = session.load(argument)
    finally:
        yield Working("")
    session.use(llm)
    yield Note(f"{session.model}, {session.llm.context_window} tokens")


def models() -> list[str]:
    """Give the names of the catalog's chat models."""
    from llmkit.models.weights.catalog import CATALOG

    return [each.name for each in CATALOG.values() if each.kind == "chat"]


def prompt(session: Session, argument: str) -> Iterator[Event]:
    """Fill a prompt text with each message from now on, or no more."""
    if argument:
        options.load_prompt(argument, ())
    session.change({"do": "prompt", "name": argument})
    if argument:
        yield Note(f"each message is now the input of the prompt {argument}, until /prompt")
    else:
        yield Note("messages are said as they are")


def prompts() -> list[str]:
    """Give the names of the prompt texts that need nothing but an input."""
    from llmkit.prompts import TaskPrompt, list_prompts

    return [name for name in list_prompts() if not TaskPrompt.load(name).fields]


def tokens(session: Session, argument: str) -> Iterator[Event]:
    """Show how the window is spent, by message."""
    llm, parts = session.llm, window.spent(session.llm, session.history)
    room = window.room(llm)
    free = llm.context_window - room - sum(count for _, count in parts)
    rows = [*parts, ("room for the answer", room), ("free", free)]
    lines = [f"{'tokens':>6} {'share':>6}"]
    lines += [f"{count:6} {count / llm.context_window:6.1%} {short(label)}" for label, count in rows]
    yield Output("\n".join([*lines, f"{llm.context_window:6}        window of {session.model}"]), table=True)


def undo(session: Session, argument: str) -> Iterator[Event]:
    """Take back the last message and its answer."""
    said = _last(session).said
    session.change({"do": "undo"}, sync=True)
    session.forget_speed()
    yield Note(f"taken back: {short(said)}")


def retry(session: Session, argument: str) -> Iterator[Event]:
    """Answer the last message anew; the old answer goes when the new one begins."""
    _last(session)
    yield from _anew(session, {"do": "retry"})


def continue_(session: Session, argument: str) -> Iterator[Event]:
    """Go on with an answer that was cut or stopped; what comes is more of the same answer."""
    turn = _last(session)
    if not turn.answer:
        raise InputError("the last message has no answer to go on with: /retry answers it")
    if turn.finish_reason == "stop":
        raise InputError("the last answer is complete: say what more you want to know")
    yield from _anew(session, {"do": "continue"})


def _anew(session: Session, change: Change) -> Iterator[Event]:
    yield from answering.respond(session, change, applied(session.history, change))


def _last(session: Session) -> Turn:
    if not session.history.turns:
        raise InputError("nothing was said yet")
    return session.history.turns[-1]
