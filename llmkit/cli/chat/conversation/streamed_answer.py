"""An answer becomes part of the conversation while it comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from llmkit.cli.chat.conversation.history import Change

if TYPE_CHECKING:
    from llmkit.cli.chat.session import Session

WRITE_EVERY = 0.25
"""Seconds of an answer that may be lost to a kill."""


class PartialAnswer:
    """An answer as far as it has come; the conversation's file gets a line for some of its pieces at a time.

    The change that the answer comes of is made with the first piece, so that an old answer stays if no new one comes.
    """

    def __init__(self, session: Session, change: Change) -> None:
        self._session, self._change = session, change
        self._begun = False
        self._waiting: list[str] = []
        self._written = time.perf_counter()

    def begin(self) -> None:
        """Make the change."""
        if not self._begun:
            self._session.change(self._change, sync=True)
            self._begun = True

    def push(self, text: str) -> None:
        """Take a piece."""
        self.begin()
        self._waiting.append(text)
        if time.perf_counter() - self._written >= WRITE_EVERY:
            self._write()

    def take_back(self) -> None:
        """Undo a message that the model never got."""
        if self._begun and not self._waiting and not self._session.history.turns[-1].answer:
            self._session.change({"do": "undo"})
            self._begun = False

    def end(self, finish_reason: str) -> None:
        """Make the answer whole."""
        if self._begun:
            self._write()
            self._session.change({"do": "end", "finish_reason": finish_reason}, sync=True)

    def _write(self) -> None:
        if self._waiting:
            self._session.change({"do": "piece", "text": "".join(self._waiting)})
            self._waiting, self._written = [], time.perf_counter()
