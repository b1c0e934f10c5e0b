"""Tokens as the model itself counts them, and the room that its window leaves for a prompt."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from langchain_core.language_models import BaseLanguageModel, BaseLLM
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables.base import Runnable, RunnableBinding

from llmkit.errors import PromptError
from llmkit.prompts.fields import check_count
from llmkit.prompts.rendering import Layout, check_layout

REMEMBERED = 4096  # texts per model; examples come again with every input, inputs do not


class ContextBudget:
    """A model's window, less the room that is kept for the answer.

    Raises:
        PromptError: the model does not say its window, or has no tokenizer of its own; or an argument is wrong.
    """

    def __init__(
        self,
        model: Runnable[Any, Any],
        max_new_tokens: int,
        window: int | None = None,
        layout: Layout | None = None,
    ) -> None:
        while isinstance(model, RunnableBinding):  # what `llm.bind(temperature=0)` gives
            model = model.bound
        if not isinstance(model, BaseLanguageModel):
            raise PromptError(f"model is {type(model).__name__}, but must be a LangChain chat model or LLM")
        self.model, self.reserve = model, check_count(max_new_tokens, "max_new_tokens")
        self.window = _window(model, window)
        self.available = self.window - self.reserve
        self.layout = check_layout(layout) or _layout(model)
        self.count_text, self._counts = _text_counter(model), _known_counts(model)
        if isinstance(model, BaseLLM) and self.layout == "chat":
            raise PromptError(f"{type(model).__name__} completes text and knows no turns: choose layout='completion'")

    def count(self, messages: list[BaseMessage]) -> int:
        """Give the tokens of a whole prompt as the model receives it."""
        if isinstance(self.model, BaseLLM) and not _counts_messages(self.model):
            return self.count_text(str(messages[0].content))  # LangChain would count "Human: " with it
        return self.model.get_num_tokens_from_messages(messages)

    def remembered(self, text: str) -> int:
        """Give the tokens of a text that will come again, such as an example."""
        if (known := self._counts.get(text)) is not None:
            return known
        if len(self._counts) >= REMEMBERED:
            self._counts.clear()
        tokens = self._counts[text] = self.count_text(text)
        return tokens


def _layout(model: BaseLanguageModel[Any]) -> Layout:
    own: Layout = getattr(model, "layout", "chat")
    return "completion" if isinstance(model, BaseLLM) and own == "chat" else own


def _counts_messages(model: BaseLanguageModel[Any]) -> bool:
    """Whether the model counts whole prompts itself, rather than as LangChain does for any."""
    return type(model).get_num_tokens_from_messages is not BaseLanguageModel.get_num_tokens_from_messages


def _window(model: BaseLanguageModel[Any], given: int | None) -> int:
    """The window to keep to: what is given, unless the model's own is smaller."""
    profile: Any = getattr(model, "profile", None) or {}
    own = getattr(model, "context_window", None) or profile.get("max_input_tokens")
    known = [own] if isinstance(own, int) else []
    if given is not None:
        known.append(check_count(given, "context_window"))
    if not known:
        raise PromptError(f"{type(model).__name__} does not say how long its context window is: pass context_window=")
    return min(known)


def _text_counter(model: BaseLanguageModel[Any]) -> Callable[[str], int]:
    """How a text is counted alone; LangChain's stopgap, the tokenizer of GPT-2, is refused."""
    kind = type(model)
    if (
        kind.get_num_tokens is not BaseLanguageModel.get_num_tokens
        or kind.get_token_ids is not BaseLanguageModel.get_token_ids
        or model.custom_get_token_ids is not None
    ):
        return model.get_num_tokens
    if _counts_messages(model):
        return lambda text: model.get_num_tokens_from_messages([HumanMessage(text)])
    raise PromptError(
        f"{kind.__name__} has no tokenizer of its own, and LangChain would count with that of GPT-2: "
        "pass it custom_get_token_ids="
    )


_COUNTS: dict[int, tuple[weakref.ref[Any], dict[str, int]]] = {}


def _known_counts(model: Any) -> dict[str, int]:
    """What was counted by this very model; LangChain's models cannot be keys, for they have no hash."""
    key = id(model)
    known = _COUNTS.get(key)
    if known is None or known[0]() is not model:
        known = _COUNTS[key] = (weakref.ref(model, lambda _: _COUNTS.pop(key, None)), {})
    return known[1]
