"""Texts that are longer than the context window: read in passages, whose results are pooled.

A passage counts by its length. The probabilities of labels are pooled as their mean: measured on texts joined from
news, it is right as often as the mean of log-likelihoods where all of a text is about one label, and more often where
other parts are about others. Passages of 128 tokens do better there than longer ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmkit.chains.base import attempt
from llmkit.chains.calibration import Calibration
from llmkit.chains.classification.results import Evidence
from llmkit.chains.scoring import Row
from llmkit.errors import ContextWindowExceeded
from llmkit.text.segmentation import Passage, TokenCounter, passages

MIN_TOKENS = 8
"""A shorter passage says nothing."""
COMMON_SHARE = 0.5
"""Of several labels that a model chose, those of at least so much of the text as the most frequent one."""


@dataclass(frozen=True)
class PooledRow:
    """The scores of a text's labels.

    Attributes:
        row: the scores.
        passages: how many passages the text was read in.
        evidence: what the scores stand on.
    """

    row: Row
    passages: int = 1
    evidence: Evidence = "model"


def divide(text: str, fit: Callable[[str], Any], counter: TokenCounter, max_tokens: int) -> list[Passage]:
    """Divide a text into passages that fit the prompt; one that fits is one passage.

    Args:
        text: the text.
        fit: fits a text into the prompt, or raises `ContextWindowExceeded`.
        counter: counts tokens.
        max_tokens: of the longest passage.

    Raises:
        ContextWindowExceeded: the window holds no passage of some words.
    """
    try:
        fit(text)
        return [Passage(text, 0, len(text), counter.get_num_tokens(text))]
    except ContextWindowExceeded:
        size = max(max_tokens, MIN_TOKENS)
    while True:
        found = [passage for passage in passages(text, counter, size) if passage.text.strip()]
        try:
            for passage in sorted(found, key=lambda passage: -passage.tokens):
                fit(passage.text)
            return found
        except ContextWindowExceeded as error:
            if size <= MIN_TOKENS:
                raise
            size = max(min(size * 3 // 4, size - error.needed + error.available), MIN_TOKENS)


def try_pooled_scores(
    try_scores: Callable[[Sequence[str]], Sequence[Row | Exception]],
    divide_text: Callable[[str], list[Passage]],
    texts: Sequence[str],
    *,
    independent: bool,
) -> list[PooledRow | Exception]:
    """Return the scores of each text, or its error; a text that does not fit is scored in passages.

    Args:
        try_scores: returns the scores of each text, or its error.
        divide_text: divides a text into passages that fit.
        texts: the texts.
        independent: whether each label holds or not by itself.
    """
    rows = try_scores(texts)
    divided: list[list[Passage] | Exception | None] = [
        attempt(divide_text, text) if isinstance(row, ContextWindowExceeded) else None
        for text, row in zip(texts, rows, strict=True)
    ]
    parts = [part.text for found in divided if isinstance(found, list) for part in found]
    scored = iter(try_scores(parts) if parts else ())
    results: list[PooledRow | Exception] = []
    for row, found in zip(rows, divided, strict=True):
        if isinstance(found, list):
            results.append(_pooled([next(scored) for _ in found], found, independent=independent))
        else:
            results.append(found or (row if isinstance(row, Exception) else PooledRow(row)))
    return results


def _pooled(scores: Sequence[Row | Exception], parts: Sequence[Passage], *, independent: bool) -> PooledRow | Exception:
    rows = []
    for score in scores:
        if isinstance(score, Exception):
            return score
        rows.append(score)
    return PooledRow(pooled_scores(rows, parts, independent=independent), len(parts))


def pooled_scores(rows: Sequence[Row], parts: Sequence[Passage], *, independent: bool) -> Row:
    """Return the scores that stand for the mean probability of each label over the passages."""
    weights = np.array([part.tokens for part in parts], dtype=np.float64)
    mean = weights / weights.sum() @ Calibration(independent=independent).probabilities(np.stack(rows))
    mean = np.clip(mean, np.finfo(np.float64).tiny, 1 - np.finfo(np.float64).eps)
    return np.asarray(np.log(mean) - np.log1p(-mean) if independent else np.log(mean))


def pooled_labels(chosen: Sequence[tuple[str, ...]], parts: Sequence[Passage], *, multi_label: bool) -> tuple[str, ...]:
    """Return the label that was chosen for most of the text, or with `multi_label` the most frequent ones."""
    tokens: Counter[str] = Counter()
    for labels, part in zip(chosen, parts, strict=True):
        tokens.update(dict.fromkeys(labels, part.tokens))
    ranked = tokens.most_common()
    if not multi_label:
        return tuple(label for label, _ in ranked[:1])
    return tuple(label for label, count in ranked if count >= COMMON_SHARE * ranked[0][1])
