"""Every span of a text, scored behind a prompt as one tree: what stands in the text, and nothing else, can be found.

A span begins and ends at a word. Its score is the log-likelihood of its words after the prompt; spans that begin alike
share their beginning, so that all spans of a sentence are one forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from langchain_core.language_models import BaseLLM
from numpy.typing import NDArray

from llmkit.prompts import FittedPrompt
from llmkit.text.segmentation import Span
from llmkit.text.words import Word

Row = NDArray[np.float64]

_PAIRS = {")": "(", "]": "[", "}": "{", "）": "（", "】": "【", "」": "「", "』": "『", "»": "«", "”": "“", '"': '"'}
_OPENING = set(_PAIRS.values())


def spans_from(text: str, words: Sequence[Word], max_words: int) -> list[list[Span]]:
    """Give, for each word, the spans of at most `max_words` words that begin with it, the shortest first.

    What opens or closes a bracket or a quotation, but not both, is no span.
    """
    found = []
    for place, first in enumerate(words):
        spans, size = [], 0.0
        for last in words[place:]:
            size += last.size
            if size > max_words:
                break
            if end := _closed(text, first.start, last.end):
                spans.append(Span(first.start, end))
        found.append(spans)
    return found


def span_scores(
    llm: Any,
    prompts: Sequence[FittedPrompt],
    spans: Sequence[Sequence[str]],
    *,
    lead: str = " ",
    include_eos: bool = False,
) -> list[Row]:
    """Give the log-likelihood of each span's words, with `lead` before them, after its prompt, in nats.

    With `include_eos`, a span is the whole answer: the token that ends an answer counts too. Spans that are equal are
    computed once. A prompt without spans has no scores.

    Raises:
        ContextWindowExceeded: a prompt and its longest span do not fit the window together.
    """
    plain = isinstance(llm, BaseLLM)
    asked = [place for place, texts in enumerate(spans) if texts]
    rows: list[Row] = [np.zeros(0) for _ in prompts]
    if asked:
        inputs = [prompts[place].text if plain else prompts[place].messages for place in asked]
        told = [[f"{lead}{text}" for text in spans[place]] for place in asked]
        for place, row in zip(asked, llm.score(inputs, told, include_eos=include_eos), strict=True):
            rows[place] = row
    return rows


def _closed(text: str, start: int, end: int) -> int | None:
    """Where a span ends when the brackets and quotations that it opens are closed; none if they are not."""
    waiting: list[str] = []
    place = start
    while place < end or (waiting and place < len(text) and text[place] in _PAIRS):
        sign = text[place]
        if waiting and waiting[-1] == _PAIRS.get(sign):
            waiting.pop()
        elif sign in _OPENING:
            waiting.append(sign)
        elif sign in _PAIRS:
            return None
        place += 1
    return None if waiting else place
