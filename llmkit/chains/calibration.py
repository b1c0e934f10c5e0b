"""From scores to probabilities, and from a small labelled set to better ones.

Matrices are [texts, labels]. Of a text's labels either exactly one holds, and their probabilities add up to one
(softmax), or each holds or not for itself (sigmoid, `independent=True`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

BIAS_VARIANCE = 1.0
"""How far, in squared nats, a label's fitted bias is expected to lie from none: it keeps a small set from ruling."""

_LOG_TEMPERATURES = (-3.0, 3.0)


@dataclass(frozen=True)
class Calibration:
    """What turns scores into probabilities; temperature and bias are nats of the scores.

    Attributes:
        temperature: above one makes probabilities less extreme.
        bias: what is added to each label's score after it was divided by the temperature; `None` is nothing.
        independent: whether each label holds or not for itself.
    """

    temperature: float = 1.0
    bias: tuple[float, ...] | None = None
    independent: bool = False

    def probabilities(self, scores: Matrix) -> Matrix:
        """Give the probability of each label."""
        return np.exp(self.log_probabilities(scores))

    def log_probabilities(self, scores: Matrix) -> Matrix:
        """Give the logarithm of the probability of each label."""
        given = scores / self.temperature + (0.0 if self.bias is None else np.asarray(self.bias))
        if self.independent:
            return np.asarray(-np.logaddexp(0.0, -given))
        return np.asarray(given - np.logaddexp.reduce(given, axis=1, keepdims=True))

    def log_loss(self, scores: Matrix, truth: NDArray[np.bool_]) -> float:
        """Give the mean negative logarithm of the probability of what is true; `truth` is [texts, labels]."""
        held = self.log_probabilities(scores)
        if not self.independent:
            return float(-(held[truth]).mean())
        against = held - (scores / self.temperature + (0.0 if self.bias is None else np.asarray(self.bias)))
        return float(-np.where(truth, held, against).mean())

    def fitted(self, scores: Matrix, truth: NDArray[np.bool_]) -> Calibration:
        """Give the temperature and bias with the least log-loss on these texts (Platt 1999, Guo et al. 2017).

        The bias is drawn toward none, as a normal prior of variance `BIAS_VARIANCE` does.
        """
        from scipy.optimize import minimize

        count = scores.shape[1]

        def made(values: Matrix) -> Calibration:
            return Calibration(float(np.exp(values[0])), tuple(map(float, values[1:])), self.independent)

        def loss(values: Matrix) -> float:
            weight = count if self.independent else 1
            drawn = float(values[1:] @ values[1:]) / (2 * BIAS_VARIANCE * len(scores))
            return weight * made(values).log_loss(scores, truth) + drawn

        bounds = [_LOG_TEMPERATURES, *[(None, None)] * count]
        return made(minimize(loss, np.zeros(1 + count), method="L-BFGS-B", bounds=bounds).x)


def threshold_for(confidence: NDArray[np.float64], right: NDArray[np.bool_], precision: float) -> float | None:
    """Give the lowest confidence from which on at least this share of the answers is right; `None` if there is none."""
    order = np.argsort(-confidence, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    ordered = confidence[order]
    last = np.append(ordered[1:] < ordered[:-1], True)  # equals come in together
    good = np.flatnonzero((shares >= precision) & last)
    return float(ordered[good[-1]]) if good.size else None


def expected_calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 10) -> float:
    """Give how far confidence and share of right answers lie apart, over bins of equal width (Guo et al. 2017)."""
    places = np.clip((confidence * bins).astype(int), 0, bins - 1)
    gaps = [abs(float(confidence[places == each].mean() - right[places == each].mean())) for each in np.unique(places)]
    shares = [float((places == each).mean()) for each in np.unique(places)]
    return float(np.dot(gaps, shares))
