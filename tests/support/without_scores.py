"""A LangChain chat model that returns no log-likelihoods."""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import Field

from llmkit import HuggingFaceChat
from tests.support.tool_formats import chat_with_format


class ChatWithoutScores(BaseChatModel):
    """A LangChain chat model with tools and without `score`, which records its messages in `asked`."""

    llm: HuggingFaceChat
    asked: list[list[BaseMessage]] = Field(default_factory=list)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.asked.append(messages)
        return self.llm._generate(messages, *args, **kwargs)

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        bound: Any = self.llm.bind_tools(tools, **kwargs)
        return self.bind(**bound.kwargs)

    @property
    def _llm_type(self) -> str:
        return "without-scores"


def chat_without_scores(model: type[ChatWithoutScores] = ChatWithoutScores) -> ChatWithoutScores:
    return model(llm=chat_with_format("hermes"))
