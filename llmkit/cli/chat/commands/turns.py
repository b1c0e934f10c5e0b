"""Commands for the system prompt, the model, prompt texts and the last turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmkit.cli import options
from llmkit.cli.chat import answering, window
from llmkit.cli.chat.conversation.history import Change, Turn, apply_change, shorten
from llmkit.cli.chat.events import Event, Note, Output, Working
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.cli.chat.state import ChatState


def system(state: ChatState, argument: str) -> Iterator[Event]:
    """Show or change the system prompt."""
    if not argument:
        yield Output(state.history.system or "There is no system prompt.")
        return
    text = "" if argument == "-" else argument
    window.validate_system(state.llm, text)
    state.change({"do": "system", "text": text})
    yield Note("the system prompt is changed" if text else "there is no system prompt any more")


def model(state: ChatState, argument: str) -> Iterator[Event]:
    """Continue with another model; the old one stays if that cannot be loaded."""
    if not argument:
        yield Output(f"{state.model}, {state.llm.context_window} tokens")
        return
    yield Working(f"loading {argument} …")
    try:
        llm = state.load(argument)
    finally:
        yield Working("")
    state.use(llm)
    yield Note(f"{state.model}, {state.llm.context_window} tokens")


def models() -> list[str]:
    """Return the names of the catalog's chat models."""
    from llmkit.models.weights.catalog import CATALOG

    return [entry.name for entry in CATALOG.values() if entry.kind == "chat"]


def prompt(state: ChatState, argument: str) -> Iterator[Event]:
    """Fill a prompt text with each message from now on, or stop that."""
    if argument:
        options.load_prompt(argument, ())
    state.change({"do": "prompt", "name": argument})
    if argument:
        yield Note(f"each message is now the input of the prompt {argument}, until /prompt")
    else:
        yield Note("messages are sent as they are")


def prompts() -> list[str]:
    """Return the names of the prompt texts that need nothing but an input."""
    from llmkit.prompts import TaskPrompt, list_prompts

    return [name for name in list_prompts() if not TaskPrompt.load(name).fields]


def tokens(state: ChatState, argument: str) -> Iterator[Event]:
    """Show how many tokens of the context window each message takes."""
    llm, parts = state.llm, window.token_usage(state.llm, state.history)
    reserved = window.reserved_tokens(llm)
    free = llm.context_window - reserved - sum(count for _, count in parts)
    rows = [*parts, ("reserved for the answer", reserved), ("free", free)]
    lines = [f"{'tokens':>6} {'share':>6}"]
    lines += [f"{count:6} {count / llm.context_window:6.1%} {shorten(label)}" for label, count in rows]
    yield Output("\n".join([*lines, f"{llm.context_window:6}        context window of {state.model}"]), table=True)


def undo(state: ChatState, argument: str) -> Iterator[Event]:
    """Remove the last message and its answer."""
    message = _last(state).message
    state.change({"do": "undo"}, sync=True)
    state.clear_speed()
    yield Note(f"removed: {shorten(message)}")


def retry(state: ChatState, argument: str) -> Iterator[Event]:
    """Answer the last message again; the old answer is removed when the new one begins."""
    _last(state)
    yield from _respond(state, {"do": "retry"})


def continue_(state: ChatState, argument: str) -> Iterator[Event]:
    """Continue an answer that was cut or interrupted."""
    turn = _last(state)
    if not turn.answer:
        raise InputError("the last message has no answer to continue: /retry answers it")
    if turn.finish_reason == "stop":
        raise InputError("the last answer is complete: ask for what more you want to know")
    yield from _respond(state, {"do": "continue"})


def _respond(state: ChatState, change: Change) -> Iterator[Event]:
    yield from answering.respond(state, change, apply_change(state.history, change))


def _last(state: ChatState) -> Turn:
    if not state.history.turns:
        raise InputError("there is no message yet")
    return state.history.turns[-1]
