"""Commands for conversations as files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmkit.cli import files
from llmkit.cli.chat.commands.attachments import path_of
from llmkit.cli.chat.conversation.history import History, shorten
from llmkit.cli.chat.events import Event, Note, Output
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.cli.chat.state import ChatState


def clear(state: ChatState, argument: str) -> Iterator[Event]:
    """Start a new conversation with the same system prompt, prompt text and settings."""
    name = state.record.name if state.history.turns else ""
    state.switch(state.store.new(keep=state.keep))
    yield Note(f"a new conversation; the last one is kept as {name}" if name else "a new conversation")


def save(state: ChatState, argument: str) -> Iterator[Event]:
    """Name the conversation, under which it is saved from now on."""
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


def load(state: ChatState, argument: str) -> Iterator[Event]:
    """Continue a kept conversation."""
    if not argument:
        raise InputError("/load needs the name of a conversation: /list shows them")
    if argument == state.record.name:
        raise InputError(f"{argument!r} is this conversation")
    state.switch(state.store.open(argument, keep=state.keep))
    yield from state.opening()


def list_(state: ChatState, argument: str) -> Iterator[Event]:
    """Show the kept conversations, the last one first."""
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


def export(state: ChatState, argument: str) -> Iterator[Event]:
    """Write the conversation to a file: Markdown, or the messages as JSON."""
    name = argument.removesuffix("!").strip()
    if not name:
        raise InputError("/export needs the name of a .md or a .json file")
    path = path_of(name)
    suffix = path.suffix.lower()
    if suffix not in (".md", ".json"):
        raise InputError(f"/export writes a .md or a .json file, but was given {str(path)!r}")
    if not state.history.turns:
        raise InputError("there is nothing to export yet: there is no message yet")
    files.check_output(path)
    if path.exists() and not argument.endswith("!"):
        raise InputError(f"{path} exists: take another name, or /export {path} ! to overwrite it")
    files.write((to_markdown if suffix == ".md" else to_json)(state.history), path)
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


def to_json(history: History) -> str:
    """Return the conversation as JSON, with messages as in the common chat APIs."""
    messages = [{"role": "system", "content": history.system}] if history.system else []
    for turn in history.turns:
        messages.append({"role": "user", "content": turn.message})
        if turn.answer:
            answer = {"role": "assistant", "content": turn.answer, "finish_reason": turn.finish_reason}
            messages.append(answer | ({"citations": turn.citations} if turn.citations else {}))
    return json.dumps({"model": history.model, "messages": messages}, ensure_ascii=False, indent=2)
