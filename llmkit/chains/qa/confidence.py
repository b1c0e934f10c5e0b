"""From how sure a chain is to whether it answers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from llmkit.text.words import terms

MIDDLE, SCALE = -9.0, 5.5
"""The score at which answers of the default model are right as often as not, and how soon that changes: fitted on 90
questions of SQuAD 2, a third of them without an answer (Platt 1999)."""


@dataclass(frozen=True)
class ThresholdFit:
    """What `fit_threshold` found on the labelled questions.

    Attributes:
        min_confidence: below it, the chain now says that the text does not tell.
        right_before, right_after: the mean over all questions of how right they are, before and after: for a question
            with an answer the overlap in words (F1), for one without whether none was given.
        answered: the share of the questions with an answer that get one.
        abstained: the share of those without that get none.
    """

    min_confidence: float
    right_before: float
    right_after: float
    answered: float
    abstained: float


def confidence(score: float) -> float:
    """Give the probability that an answer of this score is right."""
    return 1 / (1 + math.exp(min(max((MIDDLE - score) / SCALE, -500), 500)))


def overlap(answer: str, truth: str) -> float:
    """Give the F1 of the words."""
    given, wanted = terms(answer), terms(truth)
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2 * common / (len(given) + len(wanted)) if common else 0.0


def fitted(sure: Sequence[float], right: Sequence[float | None], now: float) -> ThresholdFit:
    """Find the threshold at which most is right; `right` is how right each answer is, `None` where there is none."""

    def total(least: float) -> float:
        gains = (
            float(each < least) if good is None else good * (each >= least)
            for each, good in zip(sure, right, strict=True)
        )
        return sum(gains) / len(sure)

    ordered = sorted(set(sure))
    between = [(one + two) / 2 for one, two in pairwise(ordered)]
    best = max([0.0, *between, min(1.0, math.nextafter(ordered[-1], 2))], key=total)
    known = [each >= best for each, good in zip(sure, right, strict=True) if good is not None]
    unknown = [each < best for each, good in zip(sure, right, strict=True) if good is None]
    return ThresholdFit(best, total(now), total(best), _share(known), _share(unknown))


def _share(held: Sequence[bool]) -> float:
    return sum(held) / len(held) if held else math.nan
