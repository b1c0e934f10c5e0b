"""The commands of a chat: how a line is parsed, and what each command does."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from llmkit.cli.chat.commands import attachments, conversations, settings, turns
from llmkit.cli.chat.conversation.history import shorten
from llmkit.cli.chat.events import Edit, Event, Left, Output
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.cli.chat.state import ChatState

ArgumentKind = Literal["command", "setting", "file", "attached", "conversation", "prompt", "model"]


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        name: Without its slash.
        argument: As in its usage; empty where it takes none.
        help: One line.
        run: Runs it, with the argument as it was typed.
        completes: What its argument can be completed to.
        more: Further lines of `/help NAME`.
    """

    name: str
    argument: str
    help: str
    run: Callable[[ChatState, str], Iterator[Event]]
    completes: ArgumentKind | None = None
    more: str = ""

    @property
    def usage(self) -> str:
        """The command with its argument."""
        return f"/{self.name} {self.argument}".rstrip()


@dataclass(frozen=True)
class Call:
    """A command with its argument."""

    command: Command
    argument: str


def _help(state: ChatState, argument: str) -> Iterator[Event]:
    if argument:
        command = _find(argument.removeprefix("/"))
        yield Output("\n".join([command.usage, command.help, *command.more.splitlines()]))
        return
    width = max(len(command.usage) for command in COMMANDS)
    lines = [f"{command.usage:{width}}  {command.help}" for command in COMMANDS]
    yield Output("\n".join([*lines, "", "Any other line is a message to the model; //word sends it /word."]))


def _edit(state: ChatState, argument: str) -> Iterator[Event]:
    yield Edit(argument)


def _leave(state: ChatState, argument: str) -> Iterator[Event]:
    yield Left()


_SETTINGS = "\n".join(f"{name:{max(map(len, settings.MEANINGS))}}  {text}" for name, text in settings.MEANINGS.items())
COMMANDS = (
    Command("help", "[COMMAND]", "Show the commands, or how to use one.", _help, "command"),
    Command(
        "set", "NAME [VALUE]", "Change a setting; without a value, restore it.", settings.set_, "setting", _SETTINGS
    ),
    Command("show", "", "Show all settings with their values, and where each comes from.", settings.show),
    Command("system", "[TEXT]", "Show or change the system prompt; - removes it.", turns.system),
    Command("model", "[NAME]", "Show the model, or continue with another one.", turns.model, "model"),
    Command(
        "prompt",
        "[NAME]",
        "Use each message as the input of a prompt text; without a name, stop that.",
        turns.prompt,
        "prompt",
    ),
    Command("tokens", "", "Show how many tokens each message takes.", turns.tokens),
    Command("undo", "", "Remove the last message and its answer.", turns.undo),
    Command("retry", "", "Generate another answer to the last message.", turns.retry),
    Command("continue", "", "Continue an answer that was cut or interrupted.", turns.continue_),
    Command("clear", "", "Start a new conversation; the old one is kept.", conversations.clear),
    Command("save", "[NAME]", "Name the conversation; without a name, show its name.", conversations.save),
    Command("load", "NAME", "Continue a kept conversation.", conversations.load, "conversation"),
    Command("list", "", "List the kept conversations.", conversations.list_),
    Command(
        "export",
        "FILE [!]",
        "Write the conversation to a .md or .json file; ! overwrites one.",
        conversations.export,
        "file",
    ),
    Command(
        "file",
        "[PATH]",
        "Attach a text file, to answer questions from; without a path, list them.",
        attachments.attach_file,
        "file",
    ),
    Command(
        "url",
        "[URL]",
        "Attach a web page, to answer questions from; without a URL, list them.",
        attachments.attach_page,
    ),
    Command("detach", "[NAME]", "Remove what is attached: one text, or all.", attachments.detach, "attached"),
    Command("summarize", "", "Summarize what is attached, or else the conversation.", attachments.summarize),
    Command("edit", "[TEXT]", "Write the next message in your editor.", _edit),
    Command("bye", "", "Leave the chat; so do the lines exit and quit.", _leave),
)
_BY_NAME = {command.name: command for command in COMMANDS}
_LEAVING = ("exit", "quit")
_ALIASES = {"?": "help"} | dict.fromkeys(_LEAVING, "bye")
_CALL = re.compile(r"/([A-Za-z]+|\?)(?!\S)\s*(.*)", re.DOTALL)


def parse_line(line: str) -> str | Call | None:
    """Return the message or the command of a line; None for an empty one.

    A slash and a word of letters is a command, so that `/usr/bin`, `/etc/hosts is …` and `/2` are messages; `//word`
    is the message `/word`. `exit` or `quit` alone leaves the chat.

    Raises:
        InputError: there is no such command, or it takes no argument.
    """
    line = line.strip()
    if line.startswith("//"):
        return line[1:]
    if line.lower() in _LEAVING:
        return Call(_BY_NAME["bye"], "")
    if not (call := _CALL.fullmatch(line)):
        return line or None
    name, argument = call.groups()
    command = _find(name)
    if argument.strip() and not command.argument:
        raise InputError(f"/{command.name} takes no argument, but was given {shorten(argument)!r}")
    return Call(command, argument.strip())


def choices(state: ChatState, completion: ArgumentKind) -> list[str]:
    """Return what an argument can be completed to."""
    match completion:
        case "command":
            return list(_BY_NAME)
        case "setting":
            return list(settings.MEANINGS)
        case "attached":
            return [text.source for text in state.history.attached]
        case "conversation":
            return state.store.names()
        case "prompt":
            return turns.prompts()
        case "model":
            return turns.models()
    return []


def _find(name: str) -> Command:
    name = _ALIASES.get(name.lower(), name.lower())
    if name not in _BY_NAME:
        near = difflib.get_close_matches(name, _BY_NAME, n=1)
        hint = f"did you mean /{near[0]}?" if near else "/help shows all"
        raise InputError(f"there is no command /{name}: {hint} (//{name} sends it to the model)")
    return _BY_NAME[name]
