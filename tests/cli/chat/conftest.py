from pathlib import Path
from typing import Any

import pytest

from llmkit import HuggingFaceChat
from llmkit.cli.chat.conversation.store import Store
from llmkit.cli.chat.events import Ended, Event, Piece, Problem
from llmkit.cli.chat.session import Session


class Talk:
    """A session whose every line gives its events, and what the answers among them say."""

    def __init__(self, llm: HuggingFaceChat, folder: Path, **options: Any) -> None:
        self.store = Store(folder)
        self.session = Session(llm, store=self.store, **options)

    def __call__(self, line: str) -> list[Event]:
        return list(self.session.take(line))

    def answer(self, line: str) -> str:
        """Give the answer to a line that must have one."""
        *events, ended = self(line)
        assert isinstance(ended, Ended), [*events, ended]
        return "".join(event.text for event in events if isinstance(event, Piece))

    def problem(self, line: str) -> str:
        """Give what is wrong with a line that must be refused, and change nothing."""
        before = (self.session.history, self.session.llm.settings, self.session.model)
        [event] = self(line)
        assert isinstance(event, Problem)
        assert (self.session.history, self.session.llm.settings, self.session.model) == before
        return event.text

    def text(self, line: str) -> str:
        """Give the text of a line's only event."""
        [event] = self(line)
        return str(event.text)

    @property
    def said(self) -> list[tuple[str, str, str]]:
        """The turns: message, answer, reason of the answer's end."""
        return [(turn.said, turn.answer, turn.finish_reason) for turn in self.session.history.turns]

    def read_again(self) -> list[tuple[str, str, str]]:
        """The turns as they stand in the file."""
        turns = self.store.open(self.session.record.name, keep=False).history.turns
        return [(turn.said, turn.answer, turn.finish_reason) for turn in turns]


@pytest.fixture(scope="session")
def llm(default_model_folder):
    """The default model, one for all tests of a chat."""
    return HuggingFaceChat(temperature=0, max_new_tokens=10)


@pytest.fixture
def talk(llm, tmp_path):
    """Begin sessions, which end with the test."""
    begun = []

    def begin(model: HuggingFaceChat = llm, **options: Any) -> Talk:
        begun.append(Talk(model, tmp_path / "conversations", **options))
        return begun[-1]

    yield begin
    for each in begun:
        each.session.close()
