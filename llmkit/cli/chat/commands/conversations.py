"""Commands on conversations as files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmkit.cli import files
from llmkit.cli.chat.commands.attachments import path_of
from llmkit.cli.chat.conversation.history import History, short
from llmkit.cli.chat.events import Event, Note, Output
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.cli.chat.session import Session


def clear(session: Session, argument: str) -> Iterator[Event]:
    """Begin a new conversation, under what holds for it: system text, prompt, settings."""
    name = session.record.name if session.history.turns else ""
    session.switch(session.store.new(keep=session.keep))
    yield Note(f"a new conversation; the last one is kept as {name}" if name else "a new conversation")


def save(session: Session, argument: str) -> Iterator[Event]:
    """Name the conversation; from then on it is written there as it goes."""
    if not argument:
        name = session.record.name
        yield Output(f"Saved as {name}." if name else "Not saved yet.")
        return
    if not session.history.turns:
        raise InputError("there is nothing to save yet: nothing was said")
    if argument == session.record.name:
        raise InputError(f"this conversation is called {argument!r} already")
    session.record.rename(argument)
    yield Note(f"saved as {argument}; it goes on being saved")


def load(session: Session, argument: str) -> Iterator[Event]:
    """Go on with a kept conversation."""
    if not argument:
        raise InputError("/load needs the name of a conversation: /list shows them")
    if argument == session.record.name:
        raise InputError(f"{argument!r} is this conversation")
    session.switch(session.store.open(argument, keep=session.keep))
    yield from session.opened()


def list_(session: Session, argument: str) -> Iterator[Event]:
    """Show the kept conversations, the last one first."""
    entries = list(session.store.entries())
    if not entries:
        yield Output("No conversation is kept yet.")
        return
    width = max(len(each.name) for each in entries)
    lines = [
        f"{each.name:{width}}  {each.when:%Y-%m-%d %H:%M}  {each.turns:5}  {short(each.first)}" for each in entries
    ]
    yield Output("\n".join([f"{'name':{width}}  {'when':16}  turns", *lines]), table=True)


def export(session: Session, argument: str) -> Iterator[Event]:
    """Write the conversation to a file: Markdown, or the messages as JSON."""
    name = argument.removesuffix("!").strip()
    if not name:
        raise InputError("/export needs the name of a .md or a .json file")
    path = path_of(name)
    kind = path.suffix.lower()
    if kind not in (".md", ".json"):
        raise InputError(f"/export writes a .md or a .json file, but was given {str(path)!r}")
    if not session.history.turns:
        raise InputError("there is nothing to export yet: nothing was said")
    files.check_output(path)
    if path.exists() and not argument.endswith("!"):
        raise InputError(f"{path} exists: take another name, or /export {path} ! to overwrite it")
    files.write((to_markdown if kind == ".md" else to_json)(session.history), path)
    yield Note(f"written to {path}")


def to_markdown(history: History) -> str:
    """Give the conversation as Markdown."""
    parts = ["# Conversation"] + ([f"**System:** {history.system}"] if history.system else [])
    for turn in history.turns:
        parts.append(f"## You\n\n{turn.said}")
        if turn.answer:
            mark = {"cancelled": "\n\n*(stopped)*", "length": "\n\n*(cut)*"}.get(turn.finish_reason, "")
            parts.append(f"## {history.model}\n\n{turn.answer.strip()}{mark}")
        if turn.citations:
            parts.append("\n".join(f"> {line}".rstrip() for line in turn.citations.splitlines()))
    return "\n\n".join(parts)


def to_json(history: History) -> str:
    """Give the conversation as JSON, its messages as the common chat APIs have them."""
    messages = [{"role": "system", "content": history.system}] if history.system else []
    for turn in history.turns:
        messages.append({"role": "user", "content": turn.said})
        if turn.answer:
            answer = {"role": "assistant", "content": turn.answer, "finish_reason": turn.finish_reason}
            messages.append(answer | ({"citations": turn.citations} if turn.citations else {}))
    return json.dumps({"model": history.model, "messages": messages}, ensure_ascii=False, indent=2)
