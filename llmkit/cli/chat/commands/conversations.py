"""Commands for conversations: their files, system prompt, model and last turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmkit.cli import files, options
from llmkit.cli.chat import answering, window
from llmkit.cli.chat.commands.attachments import path_of
from llmkit.cli.chat.commands.base import command
from llmkit.cli.chat.events import Event, Note, Output, Working
from llmkit.cli.chat.history import History, Turn, shorten
from llmkit.errors import InputError, ModelUnusable

if TYPE_CHECKING:
    from llmkit.cli.chat.state import ChatState


@command("[TEXT]", needs="conversation")
def system(state: ChatState, argument: str) -> Iterator[Event]:
    """Show or change the system prompt; - removes it."""
    if not argument:
        yield Output(state.history.system or "There is no system prompt.")
        return
    text = "" if argument == "-" else argument
    window.validate_system(state.llm, text)
    state.change({"do": "system", "text": text})
    yield Note("the system prompt is changed" if text else "there is no system prompt any more")


@command("[NAME]", lambda state: options.chat_models(), needs="conversation")
def model(state: ChatState, argument: str) -> Iterator[Event]:
    """Show the model, or continue with another one."""
    if not argument:
        yield Output(f"{state.model}, {state.llm.context_window} tokens")
        return
    yield Working(f"loading {argument} …")
    try:
        state.use(state.load(argument))
    except ModelUnusable as error:
        if "context_window" not in str(error):  # an option of the command line
            raise
        what, _, _ = str(error).partition(": pass ")
        options_ = f"--model {argument} --context-window TOKENS"
        raise ModelUnusable(f"{what}: leave the chat, and start it with {options_}") from error
    yield Note(f"{state.model}, {state.llm.context_window} tokens")


@command()
def tokens(state: ChatState, argument: str) -> Iterator[Event]:
    """Show how many tokens each message takes."""
    size, parts = state.llm.context_window, window.token_usage(state.llm, state.history)
    reserved = window.reserved_tokens(state.llm)
    free = size - reserved - sum(count for _, count in parts)
    rows = [*parts, ("reserved for the answer", reserved), ("free", free)]
    lines = [f"{count:6} {count / size:6.1%} {shorten(label)}" for label, count in rows]
    last = f"{size:6}        context window of {state.model}"
    yield Output("\n".join([f"{'tokens':>6} {'share':>6}", *lines, last]), table=True)


@command()
def undo(state: ChatState, argument: str) -> Iterator[Event]:
    """Remove the last message and its answer."""
    message = _last(state).message
    state.change({"do": "undo"}, sync=True)
    state.clear_speed()
    yield Note(f"removed: {shorten(message)}")


@command()
def retry(state: ChatState, argument: str) -> Iterator[Event]:
    """Generate another answer to the last message."""
    _last(state)
    yield from answering.respond(state, {"do": "retry"})


@command()
def continue_(state: ChatState, argument: str) -> Iterator[Event]:
    """Continue an answer that was cut or interrupted."""
    turn = _last(state)
    if not turn.answer:
        raise InputError("the last message has no answer to continue: /retry answers it")
    if turn.finish_reason == "stop":
        raise InputError("the last answer is complete: ask for what more you want to know")
    yield from answering.respond(state, {"do": "continue"})


def _last(state: ChatState) -> Turn:
    if not state.history.turns:
        raise InputError("there is no message yet")
    return state.history.turns[-1]


@command(needs="chat")
def clear(state: ChatState, argument: str) -> Iterator[Event]:
    """Start a new conversation, with nothing attached; the old one is kept."""
    before, parts = state.history, ["a new conversation"]
    if before.turns:
        is_kept = bool(state.record.name) and not state.record.trouble
        parts.append(f"the last one is kept as {state.record.name}" if is_kept else "the last one is not saved")
    state.switch(state.store.new(keep=state.keep))
    yield Note("; ".join([*parts, *_no_longer_attached(before, state.history)]))


def _no_longer_attached(before: History, after: History) -> list[str]:
    """Return what to say of texts that were attached to one conversation and are not to the next one."""
    left = [text.source for text in before.attached if text not in after.attached]
    if not left:
        return []
    are, them = ("is", "it") if len(left) == 1 else ("are", "them")
    return [f"{', '.join(left)} {are} no longer attached: /file or /url attaches {them} again"]


@command("[NAME]")
def save(state: ChatState, argument: str) -> Iterator[Event]:
    """Name the conversation; without a name, show its name."""
    if not argument:
        name = state.record.name
        yield Output(f"Saved as {name}." if name else "Not saved yet.")
        return
    if not state.history.turns:
        raise InputError("there is nothing to save yet: there is no message yet")
    if argument == state.record.name:
        raise InputError(f"this conversation is called {argument!r} already")
    state.record.rename(argument)
    yield Note(f"saved as {argument}; further turns are saved too")


@command("NAME", lambda state: state.store.names(), needs="chat")
def load(state: ChatState, argument: str) -> Iterator[Event]:
    """Continue a kept conversation."""
    if not argument:
        raise InputError("/load needs the name of a conversation: /list shows them")
    if argument == state.record.name:
        raise InputError(f"{argument!r} is this conversation")
    before = state.history
    state.switch(state.store.open(argument, keep=state.keep))
    yield from state.opening()
    yield from map(Note, _no_longer_attached(before, state.history))


@command()
def list_(state: ChatState, argument: str) -> Iterator[Event]:
    """List the kept conversations."""
    entries = list(state.store.entries())
    if not entries:
        yield Output("No conversation is kept yet.")
        return
    width = max(len(entry.name) for entry in entries)
    lines = [
        f"{entry.name:{width}}  {entry.when:%Y-%m-%d %H:%M}  {entry.turns:5}  {shorten(entry.first)}"
        for entry in entries
    ]
    yield Output("\n".join([f"{'name':{width}}  {'when':16}  turns", *lines]), table=True)


@command("FILE [!]", takes_path=True)
def export(state: ChatState, argument: str) -> Iterator[Event]:
    """Write the conversation to a .md file; ! overwrites one."""
    name = argument.removesuffix("!").strip()
    if not name:
        raise InputError("/export needs the name of a .md file")
    path = path_of(name)
    if path.suffix.lower() != ".md":
        raise InputError(f"/export writes a .md file, but was given {str(path)!r:.100}")
    if not state.history.turns:
        raise InputError("there is nothing to export yet: there is no message yet")
    files.check_output(path)
    files.check_regular(path, "/export")
    if path.exists() and not argument.endswith("!"):
        raise InputError(f"{path} exists: take another name, or /export {path} ! to overwrite it")
    files.write(to_markdown(state.history), path)
    yield Note(f"written to {path}")


def to_markdown(history: History) -> str:
    """Return the conversation as Markdown."""
    parts = ["# Conversation"] + ([f"**System:** {history.system}"] if history.system else [])
    for turn in history.turns:
        parts.append(f"## You\n\n{turn.message}")
        if turn.answer:
            mark = {"cancelled": "\n\n*(stopped)*", "length": "\n\n*(cut)*"}.get(turn.finish_reason, "")
            parts.append(f"## {history.model}\n\n{turn.answer.strip()}{mark}")
        if turn.citations:
            parts.append("\n".join(f"> {line}".rstrip() for line in turn.citations.splitlines()))
    return "\n\n".join(parts)
