"""The commands of a chat: how a line is read, and what each does."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from llmkit.cli.chat.commands import attachments as attaching
from llmkit.cli.chat.commands import conversations, settings
from llmkit.cli.chat.commands import summaries as summarizing
from llmkit.cli.chat.commands import turns as steering
from llmkit.cli.chat.conversation.history import short
from llmkit.cli.chat.events import Edit, Event, Left, Output
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.cli.chat.session import Session

Completes = Literal["command", "setting", "file", "attached", "conversation", "prompt", "model"]


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        name: without its slash.
        argument: as its usage shows it; empty where it takes none.
        help: one line.
        run: does it, with the argument as it was typed.
        completes: what the argument can be completed to.
        more: what `/help` with its name tells beside.
    """

    name: str
    argument: str
    help: str
    run: Callable[[Session, str], Iterator[Event]]
    completes: Completes | None = None
    more: str = ""


@dataclass(frozen=True)
class Call:
    """A command with its argument."""

    command: Command
    argument: str


def _help(session: Session, argument: str) -> Iterator[Event]:
    if argument:
        command = _named(argument.removeprefix("/"))
        told = [f"/{command.name} {command.argument}".rstrip(), command.help, *command.more.splitlines()]
        yield Output("\n".join(told))
        return
    usages = {f"/{each.name} {each.argument}".rstrip(): each.help for each in COMMANDS}
    width = max(map(len, usages))
    lines = [f"{usage:{width}}  {told}" for usage, told in usages.items()]
    yield Output("\n".join([*lines, "", "Any other line is a message; //word says /word."]))


def _edit(session: Session, argument: str) -> Iterator[Event]:
    yield Edit(argument)


def _leave(session: Session, argument: str) -> Iterator[Event]:
    yield Left()


COMMANDS = (
    Command("help", "[COMMAND]", "What the commands do.", _help, "command"),
    Command(
        "set",
        "NAME [VALUE]",
        "Change a setting; without a value, back to its default.",
        settings.set_,
        "setting",
        "\n".join(f"{name:{max(map(len, settings.MEANINGS))}}  {told}" for name, told in settings.MEANINGS.items()),
    ),
    Command("show", "", "All settings, and what holds now.", settings.show),
    Command(
        "system", "[TEXT]", "Show or change what holds for the whole conversation; - for nothing.", steering.system
    ),
    Command("model", "[NAME]", "Go on with another model.", steering.model, "model"),
    Command(
        "prompt",
        "[NAME]",
        "Fill this prompt text with each message; without a name, no more.",
        steering.prompt,
        "prompt",
    ),
    Command("tokens", "", "How the window is spent.", steering.tokens),
    Command("undo", "", "Take back the last message and its answer.", steering.undo),
    Command("retry", "", "Answer the last message anew.", steering.retry),
    Command("continue", "", "Go on with an answer that was cut or stopped.", steering.continue_),
    Command("clear", "", "Begin a new conversation; the old one is kept.", conversations.clear),
    Command("save", "[NAME]", "Give the conversation a name.", conversations.save),
    Command("load", "NAME", "Go on with a kept conversation.", conversations.load, "conversation"),
    Command("list", "", "The kept conversations.", conversations.list_),
    Command("export", "FILE [!]", "Write it to a .md or .json file; ! overwrites one.", conversations.export, "file"),
    Command(
        "file",
        "[PATH]",
        "Attach a text, to be answered from; without a path, what is attached.",
        attaching.attach_file,
        "file",
    ),
    Command("url", "[URL]", "Attach a web page, likewise.", attaching.attach_page),
    Command("detach", "[NAME]", "Let go of what is attached, or of this one text.", attaching.detach, "attached"),
    Command("summarize", "", "Summarize what is attached, or else the conversation.", summarizing.summarize),
    Command("edit", "[TEXT]", "Write the next message in your editor.", _edit),
    Command("bye", "", "Leave.", _leave),
)
_BY_NAME = {each.name: each for each in COMMANDS}
_ALIASES = {"exit": "bye", "quit": "bye"}
_CALL = re.compile(r"/([A-Za-z]+|\?)(?!\S)\s*(.*)", re.DOTALL)


def read(line: str) -> str | Call | None:
    """Give the message or the command that a line is; nothing for an empty one.

    A slash and a word of letters is a command. So `/usr/bin`, `/etc/hosts is …` and `/2` are messages as they stand;
    for one that begins like a command, `//word` says `/word`.

    Raises:
        InputError: there is no such command, or it takes no argument.
    """
    line = line.strip()
    if line.startswith("//"):
        return line[1:]
    if not (call := _CALL.fullmatch(line)):
        return line or None
    name, argument = call.groups()
    command = _named("help" if name == "?" else name)
    if argument.strip() and not command.argument:
        raise InputError(f"/{command.name} takes no argument, but was given {short(argument)!r}")
    return Call(command, argument.strip())


def choices(session: Session, kind: str) -> list[str]:
    """Give what an argument may be completed to."""
    match kind:
        case "command":
            return [each.name for each in COMMANDS]
        case "setting":
            return list(settings.MEANINGS)
        case "attached":
            return [each.source for each in session.history.attached]
        case "conversation":
            return session.store.names()
        case "prompt":
            return steering.prompts()
        case "model":
            return steering.models()
    return []


def _named(name: str) -> Command:
    name = _ALIASES.get(name.lower(), name.lower())
    if name not in _BY_NAME:
        near = difflib.get_close_matches(name, _BY_NAME, n=1)
        hint = f"did you mean /{near[0]}?" if near else "/help shows all"
        raise InputError(f"there is no command /{name}: {hint} (//{name} says it to the model)")
    return _BY_NAME[name]
