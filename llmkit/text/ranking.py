"""Ranking texts: BM25, reciprocal rank fusion, maximal marginal relevance, and vectors of length 1."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

FUSION_CONSTANT = 60
"""The usual constant of reciprocal rank fusion: the larger, the less the first ranks stand out."""


class Bm25:
    """BM25 (Robertson & Zaragoza 2009) over texts.

    Args:
        texts: the terms of each text, as `llmkit.text.words.terms` returns them.
    """

    def __init__(self, texts: Sequence[list[str]]) -> None:
        self._count = len(texts)
        self._index: Any = None
        if any(texts):
            import bm25s

            logging.getLogger("bm25s").setLevel(logging.INFO)  # it turns debugging on
            self._index = bm25s.BM25()
            self._index.index(list(texts), show_progress=False)

    def scores(self, query: list[str]) -> Vector:
        """Return the score of each text for a query's terms, [texts]; zeros where nothing can be compared."""
        if self._index is None or not query:
            return np.zeros(self._count)
        return np.asarray(self._index.get_scores(query), dtype=np.float64)


def descending(scores: NDArray[Any]) -> list[int]:
    """Return the indices by descending score; equals keep their order."""
    return [int(index) for index in np.argsort(-scores, kind="stable")]


def reciprocal_rank_fusion(*rankings: Vector) -> Vector:
    """Combine several scores of the same texts by their ranks (Cormack et al. 2009).

    Args:
        rankings: scores, [texts] each; equal scores share the best of their ranks.

    Returns:
        The fused scores, [texts].
    """
    return np.asarray(sum(1 / (FUSION_CONSTANT + _ranks(scores)) for scores in rankings))


def maximal_marginal_relevance(
    relevance: Vector,
    similarities: Callable[[int], Vector],
    weight: float,
    *,
    sizes: Sequence[float] | None = None,
    budget: float = 0.0,
) -> list[int]:
    """Rank items that are relevant, but unlike those before them (Carbonell & Goldstein 1998).

    The first item is the most relevant one. Each next one has the greatest
    `weight` * relevance - (1 - `weight`) * largest similarity to an item before it.

    Args:
        relevance: of each item, [items].
        similarities: the similarities of one item to all, [items].
        weight: from 0, only diversity, to 1, only relevance.
        sizes: what each item takes of the budget; without sizes every item is ranked.
        budget: what the chosen items may take together; an item that exceeds what is left is passed over.

    Returns:
        The indices of the chosen items, in the order of the choice.
    """
    chosen: list[int] = []
    left = np.ones(len(relevance), dtype=bool)
    costs = np.zeros(len(relevance)) if sizes is None else np.asarray(sizes, dtype=np.float64)
    largest: Vector | None = None
    while (usable := left & (costs <= budget)).any():
        gain = relevance if largest is None else weight * relevance - (1 - weight) * largest
        best = int(np.argmax(np.where(usable, gain, -np.inf)))
        chosen.append(best)
        left[best] = False
        budget -= costs[best]
        similar = similarities(best)
        largest = similar if largest is None else np.maximum(largest, similar)
    return chosen


def unit_rows(vectors: Sequence[Sequence[float]] | Matrix) -> Matrix:
    """Scale each row, [rows, dimensions], to length 1; a row of zeros stays as it is."""
    rows = np.asarray(vectors, dtype=np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length == 0, 1, length))


def _ranks(scores: Vector) -> Vector:
    """Return each score's rank, from 1; equals share the best one."""
    ordered = np.sort(-scores)
    return np.asarray(np.searchsorted(ordered, -scores, side="left") + 1, dtype=np.float64)
