"""Texts that are longer than what an encoder reads at once: scored in passages, whose probabilities are averaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from llmkit.models.encoders.label_heads import Matrix
from llmkit.text.segmentation import TokenCounter, passages


def pooled_log_probabilities(
    score: Callable[[Sequence[str]], Matrix],
    texts: Sequence[str],
    counter: TokenCounter,
    window: int,
    *,
    chunk: int = 1024,
) -> Matrix:
    """Return the log-probabilities of labels for texts of any length, [texts, labels].

    A text of more than `window` tokens is divided at sentences. Its probabilities are the means over its passages,
    each of which counts by its tokens. At most `chunk` passages are scored at once, which bounds the memory.
    """
    parts: list[str] = []
    weights = []
    for text in texts:
        tokens = counter.get_num_tokens(text)
        found = [(text, tokens)]
        if tokens > window:
            found = [(part.text, part.tokens) for part in passages(text, counter, window) if part.text.strip()]
        parts += [part for part, _ in found]
        weights.append(np.array([max(count, 1) for _, count in found], dtype=np.float64))
    chunks = [parts[start : start + chunk] for start in range(0, len(parts), chunk)]
    scores = np.concatenate([score(some) for some in chunks])
    places = np.cumsum([len(row) for row in weights])[:-1]
    pooled = [
        np.logaddexp.reduce(rows + np.log(row / row.sum())[:, None], axis=0)
        for rows, row in zip(np.split(scores, places), weights, strict=True)
    ]
    return np.asarray(np.minimum(np.stack(pooled), 0.0))
