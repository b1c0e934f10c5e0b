"""Turn scores into probabilities, and fit these and a threshold to labelled rows.

Matrices are [rows, labels]. Of a row's labels either exactly one holds, and their probabilities add up to one
(softmax), or each holds or not by itself (sigmoid, `independent=True`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.guarantees.guarantee import Guarantee
from llmkit.errors import InputError

Matrix = NDArray[np.float64]

logger = logging.getLogger(__name__)

BIAS_VARIANCE = 1.0
"""Variance of the normal prior of a label's fitted bias, in squared nats: it keeps a small set from overfitting."""

FEW_ROWS = 30
"""Of fewer rows, the share that is right has a standard error of over 9 points (binomial, at one half)."""

_LOG_TEMPERATURES = (-3.0, 3.0)


@dataclass(frozen=True)
class Calibration:
    """What turns scores into probabilities: `scores / temperature + bias`, then softmax or sigmoid.

    Attributes:
        temperature: above one makes probabilities less extreme.
        bias: added to each label's score after the division, in nats; `None` is no bias.
        independent: whether each label holds or not by itself.
    """

    temperature: float = 1.0
    bias: tuple[float, ...] | None = None
    independent: bool = False

    def probabilities(self, scores: Matrix) -> Matrix:
        """Return the probability of each label."""
        return np.exp(self.log_probabilities(scores))

    def log_probabilities(self, scores: Matrix) -> Matrix:
        """Return the logarithm of the probability of each label."""
        logits = self._logits(scores)
        if self.independent:
            return np.asarray(-np.logaddexp(0.0, -logits))
        return np.asarray(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))

    def log_loss(self, scores: Matrix, truth: NDArray[np.bool_]) -> float:
        """Return the mean negative log-probability of the truth, in nats; `truth` is [rows, labels]."""
        log_holds = self.log_probabilities(scores)
        if not self.independent:
            return float(-(log_holds[truth]).mean())
        log_fails = log_holds - self._logits(scores)
        return float(-np.where(truth, log_holds, log_fails).mean())

    def fit(self, scores: Matrix, truth: NDArray[np.bool_]) -> Calibration:
        """Return the temperature and bias with the least log-loss on these rows (Platt 1999, Guo et al. 2017)."""
        from scipy.optimize import minimize

        count = scores.shape[1]

        def from_parameters(values: Matrix) -> Calibration:
            return Calibration(float(np.exp(values[0])), tuple(map(float, values[1:])), self.independent)

        def loss(values: Matrix) -> float:
            weight = count if self.independent else 1
            penalty = float(values[1:] @ values[1:]) / (2 * BIAS_VARIANCE * len(scores))
            return weight * from_parameters(values).log_loss(scores, truth) + penalty

        bounds = [_LOG_TEMPERATURES, *[(None, None)] * count]
        return from_parameters(minimize(loss, np.zeros(1 + count), method="L-BFGS-B", bounds=bounds).x)

    def _logits(self, scores: Matrix) -> Matrix:
        return np.asarray(scores / self.temperature + (0.0 if self.bias is None else np.asarray(self.bias)))


@dataclass(frozen=True)
class CalibrationReport:
    """What `calibrate` found.

    Attributes:
        rows: how many rows it was given.
        calibration: what turns the chain's scores into probabilities from now on.
        log_loss_before, log_loss_after: mean log-loss of labelled rows, in nats.
        threshold: the threshold that was set for a precision or a guarantee.
        guarantee: what is guaranteed for an error, or why nothing is; nothing was fitted then.
    """

    rows: int
    calibration: Calibration
    log_loss_before: float | None = None
    log_loss_after: float | None = None
    threshold: float | None = None
    guarantee: Guarantee | None = None


ExampleUse = Literal["prompt", "prior", "calibration", "head", "length", "none"]


@dataclass(frozen=True)
class TriedUse:
    """A way to use labelled examples, compared with zero-shot on examples that it did not learn from.

    Attributes:
        use: the way, as in `ExamplesReport`.
        texts: how many examples it was tried on.
        log_loss, accuracy: of this way; the log-loss is in nats.
        zero_shot_log_loss, zero_shot_accuracy: without examples, on the same texts.
        margin: by how much the log-loss must be lower for the way to be chosen.
    """

    use: ExampleUse
    texts: int
    log_loss: float
    accuracy: float
    zero_shot_log_loss: float
    zero_shot_accuracy: float
    margin: float

    @property
    def advantage(self) -> float:
        """By how much the log-loss is lower than without examples, less the margin."""
        return self.zero_shot_log_loss - self.log_loss - self.margin


@dataclass(frozen=True)
class ExamplesReport:
    """What a chain did with its labelled examples.

    Attributes:
        examples: how many it was given.
        use: "prompt": the model sees them; "prior": the prior of the labels was measured on them; "calibration":
            probabilities were fitted to them; "head": a classifier head was learned from them; "length": only that of
            their outputs was taken; "none": they changed nothing.
        measure: what was cross-validated on them: "log-loss", in nats, "F1" or "ROUGE-1"; `None` if nothing was.
        without_examples, with_examples: this measure without the examples, and with them, used in this way or, for
            "none", in the best other way.
        prior_weight: for "prior": their share of the prior; the rest is from content-free texts.
        temperature, bias: for "calibration": what was fitted, and the bias of each label in nats.
        tried: the ways that were compared with zero-shot, where the chain had a choice. The one wins whose log-loss,
            with its margin, is lowest by most; if none is lower at all, the examples are not used.
    """

    examples: int
    use: ExampleUse
    measure: Literal["log-loss", "F1", "ROUGE-1"] | None = None
    without_examples: float | None = None
    with_examples: float | None = None
    prior_weight: float | None = None
    temperature: float | None = None
    bias: Mapping[str, float] | None = None
    tried: tuple[TriedUse, ...] = ()

    @property
    def reason(self) -> str:
        """Why the examples are used in this way: each way that was tried, in words."""
        if not self.tried:
            return "they are too few, or all of one label" if self.use == "none" else ""
        ways = [
            f"{one.use}: log-loss {one.log_loss:.3f} instead of {one.zero_shot_log_loss:.3f}, accuracy "
            f"{one.accuracy:.2f} instead of {one.zero_shot_accuracy:.2f} on {one.texts} examples"
            f"{'' if one.advantage > 0 else f', not better by more than {one.margin:.3f}'}"
            for one in sorted(self.tried, key=lambda one: -one.advantage)
        ]
        return f"{self.use} was chosen; {'; '.join(ways)}"


def fit_calibration(
    scores: Matrix, truth: NDArray[np.bool_], precision: float | None, *, independent: bool
) -> CalibrationReport:
    """Return the calibration that was fitted to labelled rows and, for a precision, the threshold that reaches it.

    Args:
        scores: of the labels, [rows, labels].
        truth: which labels hold, [rows, labels].
        precision: the share of the answers that must be right.
        independent: whether each label holds or not by itself.
    """
    before = Calibration(independent=independent)
    after = before.fit(scores, truth)
    threshold = None
    if precision is not None:
        probabilities = after.probabilities(scores)
        is_best = probabilities.argmax(axis=1)[:, None] == np.arange(scores.shape[1])
        answered = is_best | independent
        threshold = threshold_for(probabilities[answered], truth[answered], precision)
    losses = before.log_loss(scores, truth), after.log_loss(scores, truth)
    return CalibrationReport(len(scores), after, *losses, threshold)


def warn_of_few(rows: int) -> None:
    """Log a warning if probabilities are fitted to few rows."""
    if rows < FEW_ROWS:
        logger.warning(
            "%d labelled row%s few to calibrate with: probabilities may be far off on other texts; give at least %d",
            rows,
            " is" if rows == 1 else "s are",
            FEW_ROWS,
        )


def validate_precision(precision: float | None) -> None:
    """Raise `InputError` for a precision that is not above 0 and at most 1."""
    if precision is not None and not 0 < precision <= 1:
        raise InputError(f"precision is {precision!r}, but must be above 0 and at most 1")


def threshold_for(confidence: NDArray[np.float64], right: NDArray[Any], precision: float) -> float:
    """Return the lowest confidence from which on at least this share of the answers is right, or `InputError`.

    `right` may also be how right each answer is, from 0 to 1.
    """
    order = np.argsort(-confidence, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    ordered = confidence[order]
    last = np.append(ordered[1:] < ordered[:-1], True)  # equals are answered together
    good = np.flatnonzero((shares >= precision) & last)
    if not good.size:
        raise InputError(f"no threshold reaches a precision of {precision} on these rows: ask for less")
    return float(ordered[good[-1]])


def expected_calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 10) -> float:
    """Return the mean gap of confidence and accuracy over bins of equal width (Guo et al. 2017)."""
    places = np.clip((confidence * bins).astype(int), 0, bins - 1)
    used = np.unique(places)
    gaps = [abs(float(confidence[places == place].mean() - right[places == place].mean())) for place in used]
    return float(np.dot(gaps, [float((places == place).mean()) for place in used]))
