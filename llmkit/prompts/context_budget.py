"""Tokens as the model itself counts them, and how many its context window leaves for a prompt."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseLanguageModel, BaseLLM
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables.base import Runnable, RunnableBindingBase
from pydantic import TypeAdapter

from llmkit.errors import PromptError, kind_of
from llmkit.prompts.rendering import Layout
from llmkit.prompts.validation import COUNT, validate
from llmkit.text.lengths import estimate_too_long

LAYOUT: TypeAdapter[Layout] = TypeAdapter(Layout)
MAX_CACHED = 4096  # texts per model; examples come again with every input, inputs do not


class ContextBudget:
    """A model's context window, less the tokens that are reserved for the completion.

    Args:
        model: any LangChain model, with bound arguments or without.
        max_new_tokens: the tokens to reserve; by default those bound to the model or in its settings.
        window: in tokens; needed for a model that does not report its window, else it can only make it smaller.
        layout: overrides the model's.

    Attributes:
        reserved: tokens reserved for the completion.
        available: tokens left for the prompt.

    Raises:
        PromptError: the model does not report its window, or has no tokenizer; or an argument is wrong.
    """

    def __init__(
        self,
        model: Runnable[Any, Any],
        max_new_tokens: int | None = None,
        window: int | None = None,
        layout: Layout | None = None,
    ) -> None:
        self.model, bound = unbind(model)
        self.window = _window(self.model, window)
        if max_new_tokens is None:
            max_new_tokens = _default_max_new_tokens(self.model, bound, self.window)
        self.reserved = validate(COUNT, max_new_tokens, "max_new_tokens")
        self.available = self.window - self.reserved
        self.layout = _layout(self.model, layout)
        self.count_text, self._cached = _text_counter(self.model), _cached_counts(self.model)
        if isinstance(self.model, BaseLLM) and self.layout == "chat":
            raise PromptError(f"{type(self.model).__name__} completes text: choose layout='completion'")

    def count(self, messages: list[BaseMessage]) -> int:
        """Return the tokens of a whole prompt as the model receives it."""
        if isinstance(self.model, BaseLLM) and not _counts_messages(self.model):
            return self.count_text(str(messages[0].content))  # LangChain would count "Human: " with it
        return self.model.get_num_tokens_from_messages(messages)

    def encode_ahead(self, prompts: Sequence[list[BaseMessage]], texts: Sequence[str] = ()) -> None:
        """Let the model encode whole prompts and texts together that will be counted one by one, if it can."""
        if encode := getattr(self.model, "encode_ahead", None):
            encode(prompts, texts)

    def estimate_too_long(self, text: str) -> int | None:
        """Return about how many tokens a text has that cannot fit; `None` if it may fit."""
        return estimate_too_long(text, self.window, self.count_text)

    def changes(self, messages: list[BaseMessage]) -> tuple[str, ...]:
        """Return how the model changes messages that its chat template does not take as they are, a sentence each."""
        describe = getattr(self.model, "prompt_changes", None)
        return tuple(describe(messages)) if describe and self.layout == "chat" else ()

    def count_cached(self, text: str) -> int:
        """Return the tokens of a text that is likely to be counted again, such as an example."""
        if (known := self._cached.get(text)) is not None:
            return known
        if len(self._cached) >= MAX_CACHED:
            self._cached.clear()
        tokens = self._cached[text] = self.count_text(text)
        return tokens


def unbind(model: Runnable[Any, Any]) -> tuple[BaseLanguageModel[Any], dict[str, Any]]:
    """Return the language model inside of `bind`, `with_config` or `with_retry`, and the arguments bound to it."""
    bound: dict[str, Any] = {}
    while isinstance(model, RunnableBindingBase):
        bound = {**model.kwargs, **bound}
        model = model.bound
    if not isinstance(model, BaseLanguageModel):
        raise PromptError(f"model is {kind_of(model)}, but must be a LangChain chat model or LLM")
    return model, bound


def _default_max_new_tokens(model: BaseLanguageModel[Any], bound: Mapping[str, Any], window: int) -> Any:
    for given in (bound.get("max_new_tokens"), bound.get("max_tokens"), getattr(model, "max_tokens", None)):
        if given is not None:
            return given
    settings = getattr(model, "settings", None)
    if settings is None:
        raise PromptError(f"{type(model).__name__} does not say how long its completions are: pass max_new_tokens=")
    if settings.max_new_tokens is not None:
        return settings.max_new_tokens
    from llmkit.models.generation.settings import DEFAULT_MAX_NEW_TOKENS

    return min(DEFAULT_MAX_NEW_TOKENS, window // 2)  # without a setting the completion takes what the prompt leaves


def _layout(model: BaseLanguageModel[Any], given: Layout | None) -> Layout:
    """Return the given layout, or the model's; an encoder-decoder model completes text as "flan"."""
    model_layout: Layout = getattr(model, "layout", "chat")
    if given is None:
        return "completion" if isinstance(model, BaseLLM) and model_layout == "chat" else model_layout
    layout: Layout = validate(LAYOUT, given, "layout")
    return model_layout if model_layout == "flan" and layout == "completion" else layout


def _counts_messages(model: BaseLanguageModel[Any]) -> bool:
    """Return whether the model counts whole prompts itself, instead of LangChain's fallback."""
    return type(model).get_num_tokens_from_messages is not BaseLanguageModel.get_num_tokens_from_messages


def _window(model: BaseLanguageModel[Any], given: int | None) -> int:
    """Return the smaller of the given window and the model's."""
    profile: Any = getattr(model, "profile", None) or {}
    reported = getattr(model, "context_window", None) or profile.get("max_input_tokens")
    known = [reported] if isinstance(reported, int) else []
    if given is not None:
        known.append(validate(COUNT, given, "context_window"))
    if not known:
        raise PromptError(f"{type(model).__name__} does not say how long its context window is: pass context_window=")
    return min(known)


def _text_counter(model: BaseLanguageModel[Any]) -> Callable[[str], int]:
    """Return the function that counts a text; LangChain's fallback, the tokenizer of GPT-2, is refused."""
    model_type = type(model)
    if (
        model_type.get_num_tokens is not BaseLanguageModel.get_num_tokens
        or model_type.get_token_ids is not BaseLanguageModel.get_token_ids
        or model.custom_get_token_ids is not None
    ):
        return model.get_num_tokens
    if _counts_messages(model):
        return lambda text: model.get_num_tokens_from_messages([HumanMessage(text)])
    raise PromptError(
        f"{model_type.__name__} has no tokenizer of its own, and LangChain would count with that of GPT-2: "
        "pass it custom_get_token_ids="
    )


_COUNTS: dict[int, tuple[weakref.ref[Any], object, dict[str, int]]] = {}


def _cached_counts(model: Any) -> dict[str, int]:
    """Return the counts of this very model, by the tokenizer that it has now.

    LangChain's models have no hash, so they cannot be keys.
    """
    key, state = id(model), getattr(model, "tokenizer_state", None)
    known = _COUNTS.get(key)
    if known is None or known[0]() is not model or known[1] != state:
        known = _COUNTS[key] = (weakref.ref(model, lambda _: _COUNTS.pop(key, None)), state, {})
    return known[2]
