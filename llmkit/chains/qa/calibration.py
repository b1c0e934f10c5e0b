"""The numbers of question answering that depend on the model, and how they are fitted to labelled questions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from llmkit.chains.tuning import Tuning
from llmkit.text.words import terms


@dataclass(frozen=True, kw_only=True)
class QATuning(Tuning):
    """How spans are scored, and how a score becomes a probability. The defaults are neutral.

    Attributes:
        prior_weight: the share of a span's log-likelihood after a content-free question that is subtracted.
        channel_weight: the weight of the question's log-likelihood given the answer.
        rank_penalty: nats that a sentence loses for each one ranked before it.
        repetition_penalty: nats that a span loses if the question has all its words.
        confidence_midpoint: the score, in nats, at which an answer is as likely right as wrong.
        confidence_scale: the nats over which that changes: the confidence is
            sigmoid((score - midpoint) / scale) (Platt 1999).
        threshold: the least confidence of an answer; 0 always answers.
    """

    prior_weight: float = 0.0
    channel_weight: float = 0.0
    rank_penalty: float = 0.0
    repetition_penalty: float = 0.0
    confidence_midpoint: float = 0.0
    confidence_scale: float = 1.0
    threshold: float = 0.0

    def confidence(self, score: float) -> float:
        """Return the probability that an answer with this score is right."""
        exponent = (self.confidence_midpoint - score) / self.confidence_scale
        return 1 / (1 + math.exp(min(max(exponent, -500), 500)))


NEUTRAL = QATuning()
SMOLLM2_135M = QATuning(
    model="smollm2-135m",
    prior_weight=0.5,
    channel_weight=0.3,
    rank_penalty=1.0,
    repetition_penalty=4.0,
    confidence_midpoint=-9.0,
    confidence_scale=5.5,
    threshold=0.25,
)
"""Fitted on 90 questions of SQuAD 2, a third of them without an answer. At the threshold three of four questions with
an answer get one, and two of five without get none."""


@dataclass(frozen=True)
class QACalibrationReport:
    """What `QAChain.calibrate` found on the labelled questions.

    Attributes:
        threshold: the least confidence of an answer from now on.
        correct_before, correct_after: the mean correctness with the former threshold and with this one: for a question
            with an answer the F1 of its words, for one without whether none was given.
        answered: the share of the questions with an answer that get one.
        abstained: the share of those without that get none.
    """

    threshold: float
    correct_before: float
    correct_after: float
    answered: float
    abstained: float


def word_f1(answer: str, truth: str) -> float:
    """Return the F1 of an answer's words against the true ones, as SQuAD measures it."""
    given, wanted = terms(answer), terms(truth)
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2 * common / (len(given) + len(wanted)) if common else 0.0


def fit_confidence(tuning: QATuning, answers: Sequence[tuple[float, float]]) -> QATuning:
    """Fit the confidence to answers, each its score in nats and its correctness from 0 to 1 (Platt scaling).

    Where all answers are right, or all wrong, or a higher score does not speak for an answer, nothing can be fitted.
    """
    from scipy.optimize import minimize

    scores, right = np.asarray(answers, dtype=np.float64).reshape(-1, 2).T
    positive = right.sum()
    negative = len(right) - positive
    if not positive or not negative:
        return tuning
    # Platt's targets: not quite 0 and 1, so that few rows do not make the confidence extreme.
    targets = right * (positive + 1) / (positive + 2) + (1 - right) / (negative + 2)

    def loss(parameters: np.ndarray) -> float:
        logits = parameters[0] * scores + parameters[1]
        return float(np.sum(np.logaddexp(0, logits) - targets * logits))

    start = [1 / tuning.confidence_scale, -tuning.confidence_midpoint / tuning.confidence_scale]
    slope, intercept = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 2000}).x
    if slope <= 1e-6:
        return tuning
    return replace(tuning, confidence_midpoint=float(-intercept / slope), confidence_scale=float(1 / slope))


def fit_threshold(
    confidences: Sequence[float], correctness: Sequence[float | None], former: float
) -> QACalibrationReport:
    """Find the threshold with the highest mean correctness of answers; it is `None` for a question without one."""
    pairs = list(zip(confidences, correctness, strict=True))

    def mean_correctness(threshold: float) -> float:
        gains = (
            float(confidence < threshold) if correct is None else correct * (confidence >= threshold)
            for confidence, correct in pairs
        )
        return sum(gains) / len(pairs)

    ordered = sorted(set(confidences))
    between = [(low + high) / 2 for low, high in pairwise(ordered)]
    best = max([0.0, *between, min(1.0, math.nextafter(ordered[-1], 2))], key=mean_correctness)
    answered = [confidence >= best for confidence, correct in pairs if correct is not None]
    abstained = [confidence < best for confidence, correct in pairs if correct is None]
    return QACalibrationReport(
        best, mean_correctness(former), mean_correctness(best), _share(answered), _share(abstained)
    )


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else math.nan
