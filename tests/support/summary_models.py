"""Chat models that keep what a summary asks of them, and answer with words of which the length is known."""

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from llmkit.text.segmentation import passages
from tests.support.counting import CountingChat


class Reader(CountingChat):
    """Keeps what it was asked, and answers with as many words as it may; or passes over its limit by a factor."""

    asked: list[tuple[list[BaseMessage], int]] = Field(default_factory=list)
    factor: int = 1
    words: str = "it is the time "
    context_window: int = 300

    def _generate(self, messages: list[BaseMessage], *args: Any, max_tokens: int = 0, **kwargs: Any) -> ChatResult:
        self.asked.append((messages, max_tokens))
        most = max_tokens * self.factor
        pieces = passages(self.words * most, self, most)
        text = pieces[0].text if pieces else ""
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

    def texts(self) -> list[str]:
        return ["\n".join(str(message.content) for message in messages) for messages, _ in self.asked]


class Brief(CountingChat):
    """Answers every prompt with the same words."""

    answer: str = "Tom has a watch."
    context_window: int = 300

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.answer))])
