"""Log-likelihoods for chains: the models that return them, continuations after prompts, and the spans of a text.

A span begins and ends at a word. Its score is the log-likelihood of its text after a prompt. Spans that begin alike
share their first tokens, so that all spans of a sentence are computed as one token tree.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from langchain_core.language_models import BaseLLM
from langchain_core.runnables import Runnable
from langchain_core.runnables.base import RunnableBinding
from numpy.typing import NDArray

from llmkit.chains.capabilities import is_capable
from llmkit.errors import InputError, kind_of
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.text.segmentation import Span
from llmkit.text.words import Word

logger = logging.getLogger(__name__)

Row = NDArray[np.float64]

_PAIRS = {")": "(", "]": "[", "}": "{", "）": "（", "】": "【", "」": "「", "』": "『", "»": "«", "”": "“", '"': '"'}
_OPENING = set(_PAIRS.values())


def validate_llm(llm: Any) -> Any:
    """Return the model, or raise `InputError` if it is a name or anything else that is no LangChain model."""
    if isinstance(llm, str):
        raise InputError(f"llm is the name {llm!r}, but must be a model: HuggingFaceChat({llm!r})")
    is_capable(llm, "text generation")
    if not isinstance(llm, Runnable) and not hasattr(llm, "score"):
        raise InputError(f"llm is {kind_of(llm)}, but must be a LangChain model, such as HuggingFaceChat()")
    return llm


def scoring_model(llm: Any, capability: str = "score") -> Any:
    """Return the model that has `score`, without bound arguments, or another capability; `None` if it has neither.

    A served model has `score`, but `exactness` "none" if its server tells no log-likelihoods.
    """
    if is_capable(llm, capability):
        return llm
    validate_llm(llm)
    while isinstance(llm, RunnableBinding):
        if "model" in llm.kwargs:
            raise InputError("llm has model= bound to it, which score ignores: load that model instead")
        llm = llm.bound
    if getattr(llm, "exactness", "exact") == "none":
        logger.warning("%s; until then, it is asked for structured output", llm.refusal)
        return None
    return llm if hasattr(llm, "score") else None


class WeightsWatch:
    """Notices that a model's weights or adapters are no longer those that a chain measured."""

    def __init__(self, llm: Any) -> None:
        self._llm = llm
        self._version = self._current()

    def has_changed(self) -> bool:
        """Return whether the weights have changed since the last time."""
        before, self._version = self._version, self._current()
        return self._version != before

    def keeps(self, *, calibrated: bool) -> bool:
        """Return whether a calibration still holds, and log it if it does not."""
        if not self.has_changed():
            return calibrated
        if calibrated:
            self.warn_uncalibrated()
        return False

    def warn_uncalibrated(self) -> None:
        """Log that a calibration does not hold any more."""
        name = getattr(self._llm, "model_name", type(self._llm).__name__)
        logger.warning("the weights of %s have changed: calibrate the chain again", name)

    def _current(self) -> int:
        return int(getattr(self._llm, "weights_version", 0))


def separator(prompt: TaskPrompt) -> str:
    """Return what is between a prompt and its completion: a space after an output label or start, else nothing."""
    return " " if prompt.parts.output_label or prompt.parts.output_start else ""


def score_continuations(
    llm: Any,
    prompts: Sequence[FittedPrompt],
    continuations: Sequence[Sequence[str]],
    *,
    prefix: str = " ",
    include_eos: bool = False,
) -> list[Row]:
    """Return the log-likelihood, in nats, of each prompt's continuations, each with `prefix` before it.

    A prompt without continuations has an empty row. With `include_eos` a continuation is a whole completion, so that
    the token that ends it counts too.
    """
    plain = isinstance(llm, BaseLLM)
    pairs = [pair for pair in zip(prompts, continuations, strict=True) if pair[1]]
    inputs = [prompt.text if plain else prompt.messages for prompt, _ in pairs]
    prefixed = [[f"{prefix}{text}" for text in texts] for _, texts in pairs]
    rows = iter(llm.score(inputs, prefixed, include_eos=include_eos) if pairs else ())
    return [next(rows) if texts else np.zeros(0) for texts in continuations]


def spans_from(text: str, words: Sequence[Word], max_words: int) -> list[list[Span]]:
    """Return, for each word, the spans of at most `max_words` words that begin with it, the shortest first.

    A span that opens a bracket or a quotation is extended to close it, or left out.
    """
    found = []
    for index, first in enumerate(words):
        spans, size = [], 0.0
        for last in words[index:]:
            size += last.size
            if size > max_words:
                break
            if end := _closed(text, first.start, last.end):
                spans.append(Span(first.start, end))
        found.append(spans)
    return found


def _closed(text: str, start: int, end: int) -> int | None:
    """Where a span ends when the brackets and quotations that it opens are closed; none if they are not."""
    unclosed: list[str] = []
    while start < end or (unclosed and start < len(text) and text[start] in _PAIRS):
        sign = text[start]
        if unclosed and unclosed[-1] == _PAIRS.get(sign):
            unclosed.pop()
        elif sign in _OPENING:
            unclosed.append(sign)
        elif sign in _PAIRS:
            return None
        start += 1
    return None if unclosed else start
