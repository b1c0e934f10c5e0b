"""A chat through a pipe: a line a turn, answers on stdout, all else on stderr, plain text."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from llmkit.cli.chat.events import Edit, Ended, Event, Left, Note, Output, Piece, Problem

if TYPE_CHECKING:
    from llmkit.cli.chat.session import Session

CUT = "the answer was cut at its limit of tokens: --max-new-tokens"


def talk(session: Session, lines: Iterable[bytes], *, quiet: bool = False) -> int:
    """Take every line; give 2 if one could not be taken, else 0."""
    screen = Screen(quiet=quiet)
    for event in session.opened():
        screen.show(event)
    for number, data in enumerate(lines, 1):
        screen.line = number
        try:
            line = data.decode()
        except UnicodeDecodeError:
            screen.show(Problem("it is not UTF-8 text"))
            continue
        with closing(session.take(line)) as events:
            for event in events:
                if isinstance(event, Left):
                    return screen.code
                screen.show(event)
    return screen.code


class Screen:
    """Shows events as plain text.

    Attributes:
        line: the number of the line that they come of.
        code: 2 once there was a problem, else 0.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.quiet, self.line, self.code = quiet, 0, 0
        self._open = False  # whether the last line on stdout has no end yet

    def show(self, event: Event) -> None:
        """Print an event."""
        if isinstance(event, Piece):
            print(event.text, end="", flush=True)
            self._open = True
            return
        if self._open or isinstance(event, Ended):
            print(flush=True)
            self._open = False
        match event:
            case Ended(finish_reason="length"):
                self._note(CUT)
            case Output(text):
                print(text, flush=True)
            case Note(text):
                self._note(text)
            case Problem(text):
                self._problem(text)
            case Edit():
                self._problem("there is no editor where the chat is a pipe")

    def _note(self, text: str) -> None:
        if not self.quiet:
            print(f"[{text}]", file=sys.stderr, flush=True)

    def _problem(self, text: str) -> None:
        self.code = 2
        print(f"error: line {self.line} of standard input: {text}", file=sys.stderr, flush=True)
