"""What a model believes of the labels before it has read anything: the bias that a calibrated score is freed of.

A model prefers some labels whatever the text says: frequent words, or words that its prompt has made likely. The mean
log-likelihood of each label over texts that say nothing of the labels tells by how much, and is taken off (contextual
calibration, Zhao et al. 2021; domain-conditional pointwise mutual information, Holtzman et al. 2021; over a batch,
Liusie et al. 2023 and Zhou et al. 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.tuning import NEUTRAL_TEXTS

Prior = NDArray[np.float64]

MOST_NAMED = 128
"""Of hundreds of labels, about so many serve as texts."""

NEUTRAL_WEIGHT = 8
"""So many of the caller's own texts count as much as all neutral ones together."""


def neutral_prior(attempts: Callable[[Sequence[str]], Sequence[Prior | Exception]], labels: Sequence[str]) -> Prior:
    """Give the mean score of each continuation over neutral texts and over the other labels' words.

    Those words say what the labels are about, so that a label does not win because it is the usual word of that field.
    What is too long for a prompt is left out.

    Raises:
        InputError: not even the first neutral text fits a prompt.
    """
    texts = [*NEUTRAL_TEXTS, *sorted(labels)[:: max(1, len(labels) // MOST_NAMED)]]
    rows = attempts(texts)
    if isinstance(rows[0], Exception):
        raise rows[0]
    fine = [(place, row) for place, row in enumerate(rows) if not isinstance(row, Exception)]
    scores = np.stack([row for _, row in fine])
    counts = np.ones(scores.shape, dtype=bool)  # a label is not measured on its own words
    for row, (place, _) in enumerate(fine):
        counts[row, : len(labels)] = [place < len(NEUTRAL_TEXTS) or texts[place] != label for label in labels]
    return np.asarray(np.where(counts, scores, 0.0).sum(axis=0) / counts.sum(axis=0))


def blended(neutral: Prior, own: Prior, count: int) -> Prior:
    """Give the prior from `count` texts of the caller's, drawn toward the neutral one where they are few."""
    return np.asarray((count * own + NEUTRAL_WEIGHT * neutral) / (count + NEUTRAL_WEIGHT))


def class_mean(scores: NDArray[np.float64], truth: Sequence[int]) -> Prior:
    """Give the mean over labelled texts as if each label had as many."""
    places = np.asarray(truth)
    return np.asarray(np.mean([scores[places == each].mean(axis=0) for each in np.unique(places)], axis=0))
