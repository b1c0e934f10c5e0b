"""Populations of scored answers, whose true risk above every threshold is known, and draws from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

DRAWS = 1_000
_GRID = np.linspace(0, 1, 10_001)


@dataclass(frozen=True)
class Population:
    """Answers with scores from 0 to 1, all as frequent, and the probability that an answer with a score is wrong."""

    wrong: Callable[[Any], Any]

    def risk(self, threshold: float) -> float:
        """Return how often answers with at least this score are wrong."""
        return float(np.mean(self.wrong(_GRID[min(threshold, 1.0) <= _GRID])))


POPULATIONS = {
    "sure answers are right": Population(lambda scores: 0.02 + 0.5 * (1 - scores) ** 2),
    "scores that tell little": Population(lambda scores: 0.3 - 0.2 * scores),
    "scores that tell nothing": Population(lambda scores: np.full_like(scores, 0.21)),
    "wrong at the top": Population(lambda scores: np.where(scores > 0.97, 0.9, np.where(scores > 0.5, 0.04, 0.5))),
    "risk that falls and rises": Population(lambda scores: 0.16 + 0.15 * np.sin(25 * scores)),
    "just above the error": Population(lambda scores: np.where(scores > 0.6, 0.105, 0.6)),
}


def draws(population: Population, rows: int, error: float) -> Iterator[tuple[Any, Any]]:
    """Yield the scores of rows and which are wrong, `DRAWS` times."""
    rng = np.random.default_rng([rows, int(1000 * error)])
    for _ in range(DRAWS):
        scores = rng.random(rows)
        yield scores, rng.random(rows) < population.wrong(scores)
