from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from llmkit import HuggingFaceChat
from llmkit.cli.chat import commands
from llmkit.cli.chat.events import Ended, Event, Piece, Problem
from llmkit.cli.chat.state import ChatState
from llmkit.cli.chat.store import Store


class Talk:
    """A chat: each line returns its events."""

    def __init__(self, llm: HuggingFaceChat, folder: Path, **options: Any) -> None:
        self.store = Store(folder)
        self.state = ChatState(llm, store=self.store, **options)

    def take(self, line: str) -> Generator[Event, None, None]:
        return commands.take(self.state, line)

    def __call__(self, line: str) -> list[Event]:
        return list(self.take(line))

    def answer(self, line: str) -> str:
        """Return the answer to a line that must have one."""
        *events, ended = self(line)
        assert isinstance(ended, Ended), [*events, ended]
        return "".join(event.text for event in events if isinstance(event, Piece))

    def problem(self, line: str) -> str:
        """Return the problem of a line, which must change nothing."""
        before = (self.state.history, self.state.llm.settings, self.state.model)
        [event] = self(line)
        assert isinstance(event, Problem)
        assert (self.state.history, self.state.llm.settings, self.state.model) == before
        return event.text

    def text(self, line: str) -> str:
        """Return the text of a line's only event."""
        [event] = self(line)
        return str(event.text)

    def show(self) -> dict[str, str]:
        """Return the values that `/show` shows, without their sources."""
        rows = (line.split(None, 1) for line in self.text("/show").splitlines())
        return {name: value.partition("  (")[0] for name, value in rows}

    @property
    def turns(self) -> list[tuple[str, str, str]]:
        """The turns: message, answer, reason of the answer's end."""
        return [(turn.message, turn.answer, turn.finish_reason) for turn in self.state.history.turns]

    def read_again(self) -> list[tuple[str, str, str]]:
        """The turns as they stand in the file."""
        turns = self.store.open(self.state.record.name, keep=False).history.turns
        return [(turn.message, turn.answer, turn.finish_reason) for turn in turns]


@pytest.fixture(scope="session")
def llm(default_model_folder):
    """The default model, one for all tests of a chat; in float32, so that a cached prefix rounds nothing."""
    return HuggingFaceChat(temperature=0, max_new_tokens=10, dtype="float32")


@pytest.fixture
def talk(llm, tmp_path):
    """Begin chats, which end with the test."""
    chats = []

    def begin(model: HuggingFaceChat = llm, **options: Any) -> Talk:
        chats.append(Talk(model, tmp_path / "conversations", **options))
        return chats[-1]

    yield begin
    for chat in chats:
        chat.state.close()
