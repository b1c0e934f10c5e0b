"""The prompt at a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session, get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.output import create_output
from prompt_toolkit.styles import Style

from llmkit.cli.chat.commands import ArgumentKind
from llmkit.cli.chat.events import Ended
from llmkit.cli.chat.keyboard.completion import CommandCompleter
from llmkit.cli.chat.keyboard.keys import LEAVING, Keys
from llmkit.cli.chat.keyboard.status import status_line
from llmkit.cli.chat.screen.characters import symbols_for
from llmkit.paths import state_dir

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
    """Asks for lines, with history, search, completion and a status line below."""

    def __init__(self, status: Callable[[], Ended], choices: Callable[[ArgumentKind], Sequence[str]]) -> None:
        stream = sys.stdout if sys.stdout.isatty() else sys.stderr
        output = create_output(stdout=stream)
        self._status, self._symbols = status, symbols_for(stream)
        self._keys = Keys()
        self._output = output
        with create_app_session(output=output):  # given to the prompt itself, TERM=dumb would be ignored
            self._prompt: PromptSession[str] = PromptSession(
                [("", "\n"), ("class:prompt", "> ")],
                history=history(),
                completer=CommandCompleter(choices),
                complete_while_typing=Condition(_at_command),
                reserve_space_for_menu=6,
                key_bindings=self._keys.bindings,
                multiline=True,
                prompt_continuation=lambda width, number, wrapped: "  " if wrapped else f"{self._symbols.ellipsis[0]} ",
                bottom_toolbar=self._toolbar,
                enable_open_in_editor=True,
                tempfile_suffix=".md",
                style=_STYLE,
            )

    def line(self) -> str | None:
        """Return the next message, which may have several lines; None when the person has left."""
        return self._ask("")

    def edited(self, text: str) -> str | None:
        """Return what the person writes in their editor, which begins with this text."""
        return self._ask(text, _in_editor)

    def _ask(self, text: str, begin: Callable[[], None] | None = None) -> str | None:
        self._keys.leaving = False
        while True:
            try:
                return self._prompt.prompt(default=text, pre_run=begin)
            except EOFError:
                return None
            except KeyboardInterrupt:  # the prompt of a dumb terminal keeps Ctrl-C to itself
                if self._prompt.default_buffer.text:
                    continue
                if self._keys.leaving:
                    return None
                self._keys.leaving = True
                self._output.write(LEAVING)

    def _toolbar(self) -> str:
        buffer = self._prompt.default_buffer
        if self._keys.leaving and not buffer.text:
            return LEAVING
        self._keys.leaving = False
        return status_line(self._status(), self._output.get_size().columns, self._symbols)


def _in_editor() -> None:
    get_app().current_buffer.open_in_editor(validate_and_handle=True)


def _at_command() -> bool:
    return get_app().current_buffer.text.startswith("/")


def history() -> History:
    """Open the history of all chats, which only its user can read; where it cannot be written, one for this chat."""
    path = state_dir() / "history"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)
