"""Events on the screen: answers and what was asked for on stdout, all that is beside them on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack

from llmkit.cli import console
from llmkit.cli.chat.events import Edit, Ended, Event, Left, Note, Output, Piece, Problem, Working
from llmkit.cli.chat.screen.characters import clean, symbols_for
from llmkit.cli.chat.screen.screens import screen_for

CUT = "the answer was cut at its limit of tokens: /continue goes on, /set max_new_tokens raises it"


class View:
    """Shows events, each stream as it can: a terminal gets Markdown laid out, a file or a pipe the bare text.

    Args:
        quiet: no notes and no progress.
        debug: the traceback of a problem too.
    """

    def __init__(self, *, quiet: bool = False, debug: bool = False) -> None:
        self._screen, self._beside = screen_for(sys.stdout), screen_for(sys.stderr)
        self._symbols = symbols_for(sys.stderr)
        self._progress = ExitStack()
        self._quiet, self._debug = quiet, debug

    def show(self, event: Event) -> None:
        """Show an event; nothing of the one before is in its way."""
        if isinstance(event, Working) and event.text:
            self._screen.end()
            self._show_progress(event.text)
            return
        self._progress.close()
        match event:
            case Piece(text):
                self._screen.piece(text)
                return
            case Output(text, markdown, table):
                self._screen.end()
                told = text if markdown else self._symbols.fitting(text)
                self._screen.output(told, markdown=markdown, table=table)
            case Note(text):
                self.note(text)
            case Problem(text, trace):
                self._screen.end()
                self._tell(f"{trace if self._debug else ''}error: {text}")
            case Ended(finish_reason="length"):
                self.note(CUT)
            case _:
                self._screen.end()
        if not isinstance(event, Ended | Left | Edit):
            self.wait()

    def show_all(self, events: Iterable[Event]) -> None:
        """Show what comes before the first line."""
        for event in events:
            self.show(event)
        self.end()

    def note(self, text: str) -> None:
        """Say something beside the conversation."""
        self._screen.end()
        if not self._quiet:
            self._tell(f"[{text}]")

    def wait(self) -> None:
        """Say that something is going on, if it takes long."""
        self._show_progress("")

    def end(self) -> None:
        """Leave the cursor at the beginning of a line."""
        self._progress.close()
        self._screen.end()

    def _show_progress(self, text: str) -> None:
        self._progress.close()
        if not self._quiet:
            self._progress.enter_context(console.progress(self._symbols.fitting(clean(text))))

    def _tell(self, text: str) -> None:
        self._beside.output(self._symbols.fitting(text), markdown=False)
