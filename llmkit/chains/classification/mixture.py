"""A sum of scores whose weights are fitted to labelled texts, and shrunk to zero-shot scores where these are few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.calibration import Calibration, Matrix

Truth = NDArray[np.bool_]

PENALTY, PENALTY_OF_FEW = 4.0, 72.0
"""Of the squared distance of the weights from 1 for zero-shot and 0 for the head: the more, the more labelled texts it
takes to leave zero-shot. The second is divided by the number of texts: a dozen may mislead even when cross-validated.
Chosen on AG News, SST-2 and TREC with 2 to 50 texts a label."""
BIAS_PENALTY = 10.0
BIAS_PENALTY_ALONE = 30.0
"""The same for the biases of the labels, beside a head and without one. Without one, a lower penalty makes the log-loss
lower, but also the accuracy on TREC: its labels are not as frequent as in a balanced set of examples."""
FOLDS = 5


@dataclass(frozen=True)
class Mixture:
    """The sum of zero-shot scores and those of the parts of a head.

    Attributes:
        zero_shot: the weight of the zero-shot scores.
        learned: the weight of each part of the head, [parts]; empty without a head.
        bias: of each label, [labels].
    """

    zero_shot: float
    learned: NDArray[np.float64]
    bias: NDArray[np.float64]

    def scores(self, zero_shot: Matrix, learned: NDArray[np.float64] | None = None) -> Matrix:
        """Return the sum, [texts, labels], with the scores of each part of the head, [parts, texts, labels]."""
        sum_of_both = self.zero_shot * zero_shot + self.bias
        return np.asarray(sum_of_both if learned is None else sum_of_both + np.tensordot(self.learned, learned, 1))

    @staticmethod
    def fit(
        zero_shot: Matrix, learned: NDArray[np.float64] | None, truth: Truth, *, independent: bool
    ) -> tuple[Mixture, float]:
        """Return the mixture with the least penalized log-loss, and this loss, summed over texts.

        The loss is at most that of the zero-shot scores, which are what the penalties shrink to.

        Args:
            zero_shot: scores of labelled texts, [texts, labels].
            learned: those of each part of a head, learned from other texts, [parts, texts, labels]; `None` without one.
            truth: which labels hold, [texts, labels].
            independent: whether each label holds or not by itself.
        """
        from scipy.optimize import minimize

        parts = np.zeros((0, *zero_shot.shape)) if learned is None else learned
        count, labels = 1 + len(parts), truth.shape[1]
        start, penalties = _start(count, labels), _penalties(len(truth), count, labels)

        def mixture(values: NDArray[np.float64]) -> Mixture:
            return Mixture(float(values[0]), values[1:count].copy(), values[count:].copy())

        def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            value, gradient = summed_loss(mixture(values).scores(zero_shot, parts), truth, independent)
            by_weights = [float((gradient * scores).sum()) for scores in (zero_shot, *parts)]
            away = values - start
            penalized = value + float(penalties @ away**2) / 2
            return penalized, np.concatenate([by_weights, gradient.sum(axis=0)]) + penalties * away

        bounds = [(0.0, None)] * count + [(None, None)] * labels
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
        return mixture(found.x), float(found.fun)

    def penalty(self, texts: int) -> float:
        """Return the penalty for the distance from zero-shot, summed over so many texts, those it was fitted to."""
        values = np.concatenate([[self.zero_shot], self.learned, self.bias])
        count, labels = 1 + len(self.learned), len(self.bias)
        return float(_penalties(texts, count, labels) @ (values - _start(count, labels)) ** 2) / 2


def _start(parts: int, labels: int) -> NDArray[np.float64]:
    """Return the weights and biases of zero-shot."""
    return np.concatenate([[1.0], np.zeros(parts - 1 + labels)])


def _penalties(texts: int, parts: int, labels: int) -> NDArray[np.float64]:
    by_count = PENALTY + PENALTY_OF_FEW / texts
    return np.concatenate([[by_count] * parts, np.full(labels, BIAS_PENALTY_ALONE if parts == 1 else BIAS_PENALTY)])


def summed_loss(scores: Matrix, truth: Truth, independent: bool) -> tuple[float, Matrix]:
    """Return the summed log-loss and its gradient by the scores."""
    log_probabilities = Calibration(independent=independent).log_probabilities(scores)
    loss = -log_probabilities[truth].sum()
    if independent:
        loss -= (log_probabilities - scores)[~truth].sum()
    return float(loss), np.exp(log_probabilities) - truth


def log_losses(scores: Matrix, truth: Truth, independent: bool) -> NDArray[np.float64]:
    """Return the log-loss of each text, [texts]; with independent labels, the mean over them."""
    rows = zip(scores, truth, strict=True)
    losses = [summed_loss(row[None], holds[None], independent)[0] for row, holds in rows]
    return np.array(losses) / (truth.shape[1] if independent else 1)


def right_shares(scores: Matrix, truth: Truth, independent: bool) -> NDArray[np.float64]:
    """Return the share of right decisions about each text, [texts]."""
    if independent:
        return np.asarray(((scores >= 0) == truth).mean(axis=1))
    return np.asarray(truth[np.arange(len(truth)), scores.argmax(axis=1)], dtype=np.float64)


def _groups(truth: Truth) -> NDArray[np.intp]:
    """Return a number for each text, [texts], that texts of one label share, whatever the order of the labels."""
    count = len(truth)
    appears = np.where(truth, np.arange(count)[:, None], count).min(axis=0, initial=count)
    return np.asarray(np.where(truth, appears, count).min(axis=1, initial=count))


def assign_folds(truth: Truth) -> NDArray[np.intp]:
    """Return the fold of each text, [texts]; each fold has as many of each label."""
    first = _groups(truth)
    folds = np.empty(len(truth), dtype=np.intp)
    of_each = np.bincount(first)
    count = min(FOLDS, max(2, int(of_each[of_each > 0].min())))
    folds[np.argsort(first, kind="stable")] = np.arange(len(truth)) % count
    return folds


def balanced_order(truth: Truth) -> list[int]:
    """Return the indices of the texts: one of each label, then a second of each."""
    first = _groups(truth)
    turn = np.array([np.count_nonzero(first[:place] == label) for place, label in enumerate(first)])
    return [int(place) for place in np.lexsort((first, turn))]
