"""The prompt at a terminal: its keys, its completions and the line below it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress

from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session, get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus, is_searching
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.output import create_output
from prompt_toolkit.search import accept_search
from prompt_toolkit.styles import Style
from rich.cells import cell_len, set_cell_size

from llmkit.cli.chat.commands import COMMANDS
from llmkit.cli.chat.commands.base import Command
from llmkit.cli.chat.events import Ended
from llmkit.cli.chat.screens import signs_for
from llmkit.cli.control_characters import BIDIRECTIONAL, show_controls
from llmkit.cli.streams import raw
from llmkit.paths import state_dir

LEAVING = "Ctrl-C again leaves; so do Ctrl-D and exit."
BAR_CELLS = 10
Char.display_mappings |= {char: show_controls(char) for char in BIDIRECTIONAL}  # it has the other controls
_STYLE = Style.from_dict(
    {  # the terminal's own colours, light or dark
        "prompt": "bold",
        "bottom-toolbar": "noreverse dim",
        "completion-menu": "noinherit",
        "completion-menu.completion": "noinherit",
        "completion-menu.completion.current": "noinherit reverse",
        "completion-menu.meta.completion": "noinherit dim",
        "completion-menu.meta.completion.current": "noinherit reverse",
    }
)


class Prompt:
    """Asks for lines, with history, search, completion and a status line below; `note` says what is missing of it."""

    def __init__(self, status: Callable[[], Ended], choices: Callable[[Command], Iterable[str]]) -> None:
        self._status, self._leaving = status, False  # whether the next Ctrl-C leaves
        self._stream = raw(sys.stdout if sys.stdout.isatty() else sys.stderr)  # prompt_toolkit cleans what it shows
        self._output = create_output(stdout=self._stream)
        typed, self.note = history()
        begin_of_next = f"{signs_for('…', self._stream)[0]} "
        with create_app_session(output=self._output):  # given to the prompt itself, TERM=dumb would be ignored
            self._prompt: PromptSession[str] = PromptSession(
                [("", "\n"), ("class:prompt", "> ")],
                history=typed,
                completer=CommandCompleter(choices),
                complete_while_typing=Condition(lambda: get_app().current_buffer.text.startswith("/")),
                reserve_space_for_menu=6,
                key_bindings=self._keys(),
                multiline=True,
                prompt_continuation=lambda width, number, wrapped: "  " if wrapped else begin_of_next,
                bottom_toolbar=self._toolbar,
                enable_open_in_editor=True,
                tempfile_suffix=".md",
                style=_STYLE,
            )

    def ask(self, draft: str | None = None) -> str | None:
        """Return the next message, or None when the person has left; a draft is opened in their editor first."""
        self._leaving = False
        begin = None if draft is None else lambda: get_app().current_buffer.open_in_editor(validate_and_handle=True)
        while True:
            try:
                return self._prompt.prompt(default=draft or "", pre_run=begin)  # type: ignore[arg-type]
            except EOFError:
                return None
            except KeyboardInterrupt:  # the prompt of a dumb terminal keeps Ctrl-C to itself
                if self._prompt.default_buffer.text:
                    continue
                if self._leaving:
                    return None
                self._leaving = True
                self._output.write(LEAVING)

    def _toolbar(self) -> str:
        if self._leaving and not self._prompt.default_buffer.text:
            return LEAVING
        self._leaving = False
        return signs_for(status_line(self._status(), self._output.get_size().columns), self._stream)

    def _keys(self) -> KeyBindings:
        """Bind Enter to send, Alt-Enter to start a new line, and Ctrl-C to clear the line or leave."""
        keys, typing = KeyBindings(), has_focus(DEFAULT_BUFFER) & ~is_searching

        @keys.add("enter", filter=typing)
        def send(event: KeyPressEvent) -> None:
            if event.current_buffer.text.strip():
                event.current_buffer.validate_and_handle()

        @keys.add("enter", filter=is_searching)
        def send_found(event: KeyPressEvent) -> None:
            accept_search()
            send(event)

        @keys.add("escape", "enter", filter=typing)
        def start_line(event: KeyPressEvent) -> None:
            event.current_buffer.newline(copy_margin=False)

        @keys.add("c-c", filter=typing)
        @keys.add("<sigint>")
        def clear_or_leave(event: KeyPressEvent) -> None:
            if event.current_buffer.text:
                event.current_buffer.reset()
            elif self._leaving:
                event.app.exit(exception=EOFError)
            else:
                self._leaving = True

        # A colour's sequence, ESC[31m, in text that is pasted without brackets looks like a mouse's.
        keys.add(Keys.Vt100MouseEvent)(lambda event: None)
        return keys


class InputHistory(FileHistory):
    """What was typed in all chats; a disk that is full ends no chat."""

    def store_string(self, string: str) -> None:
        """Write a line."""
        with suppress(OSError):
            super().store_string(string)


def history() -> tuple[History, str]:
    """Open the history of all chats, which only its user can read.

    Where it cannot be written, return one for this chat, and why.
    """
    path = state_dir() / "history"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError(0, "it is not a file")
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        reason = f"{path} cannot be written: {error.strerror or error}"
        return InMemoryHistory(), f"what you type here is not remembered in later chats: {reason}"
    return InputHistory(path), ""


class CommandCompleter(Completer):
    """Completes the name of a command, then its argument; `choices` returns what an argument can be."""

    def __init__(self, choices: Callable[[Command], Iterable[str]]) -> None:
        self._choices = choices
        self._files = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield the completions of the text before the cursor."""
        text = document.text_before_cursor
        name, space, argument = text.partition(" ")
        if not text.startswith("/") or "\n" in text:
            return
        if not space:
            for command in COMMANDS.values():
                if command.name.startswith(name[1:].lower()):
                    yield Completion(f"/{command.name}", -len(text), display=command.usage, display_meta=command.help)
        elif found := COMMANDS.get(name[1:].lower()):
            argument = argument.lstrip()
            if found.takes_path:
                yield from self._files.get_completions(Document(argument), complete_event)
            for word in self._choices(found):
                if word.lower().startswith(argument.lower()):
                    yield Completion(word, -len(argument), display=show_controls(word))


def status_line(status: Ended, columns: int) -> str:
    """Return as much of it as fits the terminal: the model and the window first."""
    share = min(1.0, status.used / status.window)
    full = min(BAR_CELLS, round(share * BAR_CELLS) or (status.used > 0))
    bar = "█" * full + "░" * (BAR_CELLS - full)
    name = status.model.rstrip("/").rpartition("/")[2]
    speed = []
    if status.tokens and status.seconds:
        speed = [f"{status.tokens / status.seconds:.0f} tokens/s", f"first after {status.first:.1f} s"]
    short = f"{status.used}/{status.window} ({share:.0%})"
    for parts in (
        [status.model, f"{bar} {status.used} of {status.window} tokens ({share:.0%})", *speed],
        [name, f"{bar} {short}", *speed],
        [name, short, *speed[:1]],
        [name, short],
        [f"{share:.0%}", name],
    ):
        line = " · ".join(parts)
        if cell_len(line) < columns:
            return line
    return set_cell_size(line, columns - 1)
