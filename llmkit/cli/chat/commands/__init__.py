"""The commands of a chat: how a line is parsed, and what each command does."""

from __future__ import annotations

import difflib
import re
import traceback
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from llmkit.cli.chat import answering
from llmkit.cli.chat.commands import attachments, conversations, settings
from llmkit.cli.chat.commands.base import Command, command
from llmkit.cli.chat.events import Edit, Event, Left, Output, Problem
from llmkit.cli.chat.history import shorten
from llmkit.errors import InputError, LlmkitError

if TYPE_CHECKING:
    from llmkit.cli.chat.state import ChatState


@command("[COMMAND]", lambda state: COMMANDS)
def help_(state: ChatState, argument: str) -> Iterator[Event]:
    """Show the commands, or how to use one."""
    if argument:
        found = _find(argument.removeprefix("/"))
        yield Output("\n".join([found.usage, found.help, *found.more.splitlines()]))
        return
    width = max(len(known.usage) for known in COMMANDS.values())
    lines = [f"{known.usage:{width}}  {known.help}" for known in COMMANDS.values()]
    yield Output("\n".join([*lines, "", "Any other line is a message to the model; //word sends it /word."]))


@command("[TEXT]", needs="chat")
def edit(state: ChatState, argument: str) -> Iterator[Event]:
    """Write the next message in your editor."""
    yield Edit(argument)


@command(needs="chat")
def bye(state: ChatState, argument: str) -> Iterator[Event]:
    """Leave the chat; so do the lines exit and quit."""
    yield Left()


_MODULES = (settings, conversations, attachments)
_DEFINED = [value for module in _MODULES for value in vars(module).values() if isinstance(value, Command)]
COMMANDS: dict[str, Command] = {known.name: known for known in (help_, *_DEFINED, edit, bye)}
"""The commands by name, in the order of `/help`."""
_LEAVING = ("exit", "quit")
_ALIASES = {"?": "help"} | dict.fromkeys(_LEAVING, "bye")
_OTHER_NAMES = (
    dict.fromkeys(("resume", "open"), "load")
    | dict.fromkeys(("new", "reset", "restart"), "clear")
    | dict.fromkeys(("regenerate", "redo", "again"), "retry")
    | dict.fromkeys(("attach", "read"), "file")
    | dict.fromkeys(("settings", "info", "config", "options"), "show")
    | dict.fromkeys(("history", "conversations", "sessions", "ls"), "list")
    | dict.fromkeys(("models", "switch"), "model")
    | {"editor": "edit", "web": "url", "write": "export", "rename": "save", "remove": "detach", "q": "bye"}
)
"""What other programs call these commands."""
MAX_NAME = 4096
"""Characters of a path, a URL or another name: as many as the bytes of a path on Linux (limits.h)."""
_CALL = re.compile(r"/([A-Za-z]+|\?)(?!\S)\s*(.*)", re.DOTALL)


def parse_line(line: str) -> str | tuple[Command, str]:
    """Return the message of a line, empty for an empty line, or its command and argument.

    A slash and a word of letters is a command, so that `/usr/bin`, `/etc/hosts is …` and `/2` are messages; `//word`
    is the message `/word`. `exit` or `quit` alone leaves the chat.

    Raises:
        InputError: there is no such command, or it takes no argument.
    """
    line = line.strip()
    if line.startswith("//"):
        return line[1:]
    if line.lower() in _LEAVING:
        return bye, ""
    if not (call := _CALL.fullmatch(line)):
        return line
    found, argument = _find(call[1]), call[2].strip()
    if argument and not found.argument:
        raise InputError(f"/{found.name} takes no argument, but was given {shorten(argument)!r}")
    if found.takes_name:
        _check_name(found.name, argument)
    return found, argument


def _check_name(command: str, name: str) -> None:
    if "\0" in name:
        raise InputError(f"/{command} was given {shorten(name)!r}, but no name has NUL characters (\\x00)")
    if len(name) > MAX_NAME:
        what = f"/{command} was given {shorten(name)!r}, {len(name)} characters long"
        raise InputError(f"{what}, but a name has at most {MAX_NAME}")


def check_single(line: str, *, kept: bool) -> None:
    """Check that the only message of a chat is one that something comes of; `kept`: its conversation goes on later.

    Raises:
        InputError: it is a command without an effect, or not a command that there is.
    """
    parsed = parse_line(line)
    if not isinstance(parsed, tuple):
        return
    found, argument = parsed
    if found.needs == "chat":
        raise InputError(f"/{found.name} is for the interactive chat: start llmkit chat, and type it there")
    if found.needs == "conversation" and argument and not kept:
        advice = (
            f'; llmkit ask "…" --{found.name} {argument} answers a question' if found.name in ("file", "url") else ""
        )
        raise InputError(
            f"/{found.name} changes a conversation, which ends with a single message: start llmkit chat, and type it "
            f"there, or add --resume or --load NAME{advice}"
        )


def _find(name: str) -> Command:
    name = _ALIASES.get(name.lower(), name.lower())
    if name not in COMMANDS:
        name = shorten(name)
        if (other := COMMANDS.get(_OTHER_NAMES.get(name, ""))) is not None:
            raise InputError(f"there is no command /{name}: use {other.usage} (//{name} sends it to the model)")
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean /{near[0]}?" if near else "/help shows all"
        raise InputError(f"there is no command /{name}: {hint} (//{name} sends it to the model)")
    return COMMANDS[name]


def take(state: ChatState, line: str) -> Generator[Event, None, None]:
    """Yield what comes of a line: a command (see `parse_line`), or a message, which may have more than one line.

    Closing the generator stops the answer; what was written of it stays. Work without pieces (a question about what
    is attached, a page, another model) is one step between two events: an exception that a signal raises interrupts
    it, and changes nothing. A problem changes nothing but what its text says, and the chat goes on.
    """
    try:
        parsed = parse_line(line)
        if isinstance(parsed, tuple):
            found, argument = parsed
            yield from found.run(state, argument)
        elif parsed:
            yield from answering.respond(state, {"do": "say", "text": parsed})
    except LlmkitError as error:
        yield Problem(" ".join(str(error).split()), traceback.format_exc())
    except Exception as error:  # no error ends a conversation: torch and files have many
        text = f"{type(error).__name__}: {' '.join(str(error).split())} (unexpected; --debug shows where)"
        yield Problem(text, traceback.format_exc())
    finally:
        state.update_status()
    yield from state.report_trouble()
