"""Shows events: answers and what was asked for on stdout, everything else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack

from llmkit.cli import console
from llmkit.cli.chat.events import Edit, Ended, Event, Left, Note, Output, Piece, Problem, Working
from llmkit.cli.chat.screen.characters import clean, symbols_for
from llmkit.cli.chat.screen.screens import screen_for

CUT = "the answer was cut at its limit of tokens: /continue continues it, /set max_new_tokens raises the limit"


class View:
    """Shows events: Markdown at a terminal, the bare text in a file or a pipe.

    Args:
        quiet: no notes and no progress.
        debug: the traceback of a problem too.
    """

    def __init__(self, *, quiet: bool = False, debug: bool = False) -> None:
        self._answers, self._notes = screen_for(sys.stdout), screen_for(sys.stderr)
        self._symbols = symbols_for(sys.stderr)
        self._progress = ExitStack()
        self._quiet, self._debug = quiet, debug

    def show(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Working) and event.text:
            self._answers.end()
            self._show_progress(event.text)
            return
        self._progress.close()
        match event:
            case Piece(text):
                self._answers.piece(text)
                return
            case Output(text, table):
                self._answers.end()
                self._answers.output(self._symbols.replace_in(text), table=table)
            case Note(text):
                self.note(text)
            case Problem(text, trace):
                self._answers.end()
                self._print_note(f"{trace if self._debug else ''}error: {text}")
            case Ended(finish_reason="length"):
                self.note(CUT)
            case _:
                self._answers.end()
        if not isinstance(event, Ended | Left | Edit):
            self.wait()

    def show_all(self, events: Iterable[Event]) -> None:
        """Show what comes before the first line."""
        for event in events:
            self.show(event)
        self.end()

    def note(self, text: str) -> None:
        """Show a note beside the conversation."""
        self._answers.end()
        if not self._quiet:
            self._print_note(f"[{text}]")

    def wait(self) -> None:
        """Show the time that passes."""
        self._show_progress("")

    def end(self) -> None:
        """Leave the cursor at the beginning of a line."""
        self._progress.close()
        self._answers.end()

    def _show_progress(self, text: str) -> None:
        self._progress.close()
        if not self._quiet:
            self._progress.enter_context(console.progress(self._symbols.replace_in(clean(text))))

    def _print_note(self, text: str) -> None:
        self._notes.output(self._symbols.replace_in(text))
