"""A conversation that remembers: turns in, pieces of an answer out, within the model's window. It knows no terminal."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from llmkit.models.chat import HuggingFaceChat


@dataclass
class Conversation:
    """What was said, and the model it is said to.

    Attributes:
        system: an instruction that always stays.
        messages: the turns that the model still sees, the person's and its own in turn.
        finish_reason: why the last answer ended: `stop`, or `length` where it was cut.
    """

    llm: HuggingFaceChat
    system: str = ""
    messages: list[BaseMessage] = field(default_factory=list)
    finish_reason: str = ""

    def say(self, text: str) -> int:
        """Add the person's turn; give how many of the oldest turns had to go, so that it fits.

        Raises:
            ContextWindowExceeded: it does not fit even alone; then nothing was changed.
        """
        from langchain_core.messages import HumanMessage

        kept = [*self.messages, HumanMessage(text)]
        while self._tokens(kept) + self._room() > self.llm.context_window and len(kept) > 1:
            kept = kept[2:]
        self._check(kept)
        dropped = len(self.messages) + 1 - len(kept)
        self.messages = kept
        return dropped

    def answer(self) -> Generator[str, None, None]:
        """Yield the answer piece by piece; what was said of it stays in the conversation, also if it is broken off."""
        from langchain_core.messages import AIMessage, AIMessageChunk

        said: list[str] = []
        try:
            stream = cast(Generator[AIMessageChunk, None, None], self.llm.stream(self._with_system(self.messages)))
            with closing(stream) as pieces:
                for piece in pieces:
                    said.append(piece.text)
                    self.finish_reason = piece.response_metadata.get("finish_reason", "")
                    yield piece.text
        finally:
            if "".join(said):
                self.messages.append(AIMessage("".join(said)))
            else:  # nothing came: the turn is taken back, so that turns stay in pairs
                self.messages.pop()

    def _room(self) -> int:
        return self.llm.settings.max_new_tokens or min(512, self.llm.context_window // 4)

    def _tokens(self, messages: list[BaseMessage]) -> int:
        return self.llm.get_num_tokens_from_messages(self._with_system(messages))

    def _check(self, messages: list[BaseMessage]) -> None:
        from llmkit.errors import ContextWindowExceeded

        needed = self._tokens(messages) + (self.llm.settings.max_new_tokens or 1)
        if needed > self.llm.context_window:
            raise ContextWindowExceeded(needed, self.llm.context_window, "the message and the room for its answer")

    def _with_system(self, messages: list[BaseMessage]) -> list[BaseMessage]:
        from langchain_core.messages import SystemMessage

        return [SystemMessage(self.system), *messages] if self.system else messages
