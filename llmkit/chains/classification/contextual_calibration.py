"""What a model prefers before it has read the text, to be subtracted from its scores.

A model prefers some labels whatever the text says: frequent words, or words that its prompt makes likely. The prior is
the mean log-likelihood of each label over texts that say nothing about the labels (contextual calibration, Zhao et al.
2021; domain-conditional pointwise mutual information, Holtzman et al. 2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.tuning import Tuning
from llmkit.text.content_free import NEUTRAL_TEXTS

Prior = NDArray[np.float64]

MAX_LABEL_TEXTS = 128
"""Of hundreds of labels, about so many serve as content-free texts."""
MAX_SCORES = MAX_LABEL_TEXTS**2
"""About the most labels that are scored after content-free texts, all texts together: each takes milliseconds."""
MAX_SLOW_SCORES = MAX_SCORES // 4
"""The same for a model that reads a text again for each label, such as a masked language model."""
LEAST_TEXTS = 3
"""Content-free texts for thousands of labels."""


@dataclass(frozen=True, kw_only=True)
class ClassificationTuning(Tuning):
    """The numbers of `ZeroShotClassificationChain` that depend on the model.

    Attributes:
        neutral_weight: how many texts of the caller's weigh as much in the prior as all content-free texts together.
            Neutral: as many as there are, so that every text weighs the same.
        selected_share: the share of the prior that is subtracted where examples were selected for the text, from 0 to
            1: the labels of similar examples are partly evidence. Neutral: 1, as published (Zhao et al. 2021).
        max_passage_tokens: the longest passage of a text that does not fit the context window.
        alternatives: with `multi_label`, what else a text could be: each label is scored against these and the other
            labels. Small models do not understand a negated label ("is not sports").
    """

    neutral_weight: float = len(NEUTRAL_TEXTS)
    selected_share: float = 1.0
    max_passage_tokens: int = 512
    alternatives: tuple[str, ...] = (
        "other",
        "something else",
        "general",
        "personal",
        "opinion",
        "a question",
        "a story",
        "information",
    )


NEUTRAL = ClassificationTuning()
SMOLLM2_135M = ClassificationTuning(model="smollm2-135m", neutral_weight=8, selected_share=0.5, max_passage_tokens=128)
"""Chosen by log-loss and accuracy on AG News, SST-2, TREC and banking77. Of the prior of selected examples, all suits
six labels, none suits 77, and half does well on both."""


@dataclass(frozen=True)
class NeutralScores:
    """The scores of texts that say nothing: their mean is the prior, and what is left is noise.

    Attributes:
        scores: of each continuation after each text, [texts, continuations].
        counts: which of them count: a label is not measured on its own words.
    """

    scores: NDArray[np.float64]
    counts: NDArray[np.bool_]

    @property
    def prior(self) -> Prior:
        """The mean score of each continuation."""
        return np.asarray(np.where(self.counts, self.scores, 0.0).sum(axis=0) / self.counts.sum(axis=0))


def neutral_scores(
    try_scores: Callable[[Sequence[str]], Sequence[Prior | Exception]],
    labels: Sequence[str],
    max_scores: int = MAX_SCORES,
) -> NeutralScores:
    """Return the score of each continuation after content-free texts and after the other labels' words.

    Those words are about the same field, so that a label does not win because it is the usual word of the field.
    Texts that are too long for a prompt are left out; if even the first one is, its error is raised. For thousands of
    labels there are fewer texts, so that the prior takes no longer than for hundreds.
    """
    neutral, words = _content_free_texts(labels, max_scores)
    texts = [*neutral, *words]
    rows = try_scores(texts)
    if isinstance(rows[0], Exception):
        raise rows[0]
    scored = [(place, row) for place, row in enumerate(rows) if not isinstance(row, Exception)]
    scores = np.stack([row for _, row in scored])
    counts = np.ones(scores.shape, dtype=bool)
    for row, (place, _) in enumerate(scored):
        counts[row, : len(labels)] = [place < len(neutral) or texts[place] != label for label in labels]
    return NeutralScores(scores, counts)


def noise_variance(scores: NDArray[np.float64], counts: NDArray[np.bool_]) -> float:
    """Return how much the labels' scores vary among themselves where the text says nothing, in squared nats.

    Args:
        scores: of the labels after content-free texts, with the prior subtracted, [texts, labels].
        counts: which of them count.
    """
    count = scores.shape[1]
    known = np.ma.masked_array(scores, ~counts[:, :count])
    if count == 1:
        return float((known**2).mean())
    spread = (known - known.mean(axis=1)[:, None]) ** 2
    return float(spread.mean() * count / (count - 1))


def _content_free_texts(labels: Sequence[str], max_scores: int) -> tuple[Sequence[str], Sequence[str]]:
    """Return texts that say nothing, and words of the labels' field."""
    words = sorted(labels)[:: max(1, len(labels) // MAX_LABEL_TEXTS)]
    count = max(LEAST_TEXTS, max_scores // len(labels))
    if len(NEUTRAL_TEXTS) + len(words) <= count:
        return NEUTRAL_TEXTS, words
    neutral = NEUTRAL_TEXTS[: count // 2]
    return neutral, words[:: math.ceil(len(words) / (count - len(neutral)))]


def blend(neutral: Prior, measured: Prior, count: int, neutral_weight: float) -> Prior:
    """Return the prior measured on `count` texts, shrunk toward the neutral one where they are few."""
    return np.asarray((count * measured + neutral_weight * neutral) / (count + neutral_weight))


def class_mean(scores: NDArray[np.float64], labels: Sequence[int]) -> Prior:
    """Return the mean over labelled texts, [texts, continuations], as if each label had as many."""
    places = np.asarray(labels)
    return np.asarray(np.mean([scores[places == label].mean(axis=0) for label in np.unique(places)], axis=0))
