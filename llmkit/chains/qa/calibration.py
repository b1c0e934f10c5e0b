"""How the confidence and the threshold of answers are fitted to labelled questions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from llmkit.chains.calibration import threshold_for
from llmkit.chains.guarantees.guarantee import Guarantee
from llmkit.chains.qa.question_form import YesNoWords
from llmkit.chains.qa.tuning import QATuning
from llmkit.errors import InputError
from llmkit.text.words import terms


@dataclass(frozen=True)
class QACalibrationReport:
    """What `QAChain.calibrate` found on the labelled questions.

    Attributes:
        threshold: the least confidence of an answer from now on.
        correct_before, correct_after: the mean correctness with the former threshold and with this one: for a question
            with an answer the F1 of its words, for one without whether none was given.
        answered: the share of the questions with an answer that get one.
        abstained: the share of those without that get none.
        yes_no: the same for yes/no questions, which the other fields leave out; `None` if there were none.
        guarantee: what is guaranteed for an error, or why nothing is; nothing was fitted then, and the other fields
            are of all questions.
    """

    threshold: float
    correct_before: float
    correct_after: float
    answered: float
    abstained: float
    yes_no: QACalibrationReport | None = None
    guarantee: Guarantee | None = None


def validate_truths(rows: Any) -> list[str | None]:
    """Return the answer of each labelled row, or raise `InputError`."""
    if isinstance(rows, str) or not isinstance(rows, Sequence) or not rows:
        raise InputError("calibrate needs a list of labelled questions")
    truths = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping) or "answer" not in row:
            raise InputError(f"row {number} has no 'answer': give text, or None if the context has no answer")
        truth = row["answer"]
        if truth is not None and not (isinstance(truth, str) and truth.strip()):
            raise InputError(f"row {number}: 'answer' is {truth!r}, but must be text, or None if there is none")
        truths.append(truth)
    return truths


def yes_no_correctness(answer: str, truth: str | None, words: YesNoWords, number: int) -> float | None:
    """Return whether yes or no is right, 1 or 0, and `None` where the text has no answer."""
    if truth is None:
        return None
    given = truth.strip().rstrip(".!").casefold()
    if given in ("yes", words.yes.casefold()):
        return float(answer == words.yes)
    if given in ("no", words.no.casefold()):
        return float(answer == words.no)
    raise InputError(f"row {number}: 'answer' is {truth!r}, but the question asks for yes or no: give one, or None")


def word_f1(answer: str, truth: str) -> float:
    """Return the F1 of an answer's words against the true ones, as SQuAD measures it."""
    given, wanted = terms(answer), terms(truth)
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2 * common / (len(given) + len(wanted)) if common else 0.0


@dataclass(frozen=True)
class ScoredRow:
    """The answer to a labelled question.

    Attributes:
        score: in nats; minus infinity where there was nothing to read.
        correctness: from 0 to 1; `None` where the text has no answer.
        is_yes_no: whether the question asks for yes or no.
        is_measured: whether the chain answers such a question at all: yes and no only in some languages.
    """

    score: float
    correctness: float | None
    is_yes_no: bool = False
    is_measured: bool = True

    @classmethod
    def from_phrase(cls, answer: str, score: float, truth: str | None) -> ScoredRow:
        """Compare a phrase with the true one by the F1 of their words."""
        return cls(score, None if truth is None else word_f1(answer, truth))

    @classmethod
    def from_yes_no(cls, answer: str, score: float, truth: str | None, words: YesNoWords, number: int) -> ScoredRow:
        """Compare yes or no with the truth of the row of this number; raise `InputError` if that is neither."""
        return cls(score, yes_no_correctness(answer, truth, words, number), is_yes_no=True)


def calibrated_tuning(
    tuning: QATuning, rows: Sequence[ScoredRow], precision: float | None = None
) -> tuple[QATuning, QACalibrationReport]:
    """Fit confidences and thresholds to labelled questions: those for yes or no, and the others, each by themselves.

    With a precision, a threshold is the lowest one at which answers are right this often, or `InputError` is raised.
    """
    yes_no = [row for row in rows if row.is_yes_no]
    others = [row for row in rows if not row.is_yes_no]
    tuning = fit_confidence(tuning, _answered(others))
    correctness = [row.correctness for row in others]
    report = fit_threshold([tuning.confidence(row.score) for row in others], correctness, tuning.threshold, precision)
    tuning = replace(tuning, threshold=report.threshold)
    if not yes_no:
        return tuning, report
    midpoint, scale = _fit_sigmoid(_answered(yes_no), tuning.yes_no_midpoint, tuning.yes_no_scale)
    tuning = replace(tuning, yes_no_midpoint=midpoint, yes_no_scale=scale, yes_no_languages=None)
    confidences = [tuning.yes_no_confidence(row.score) for row in yes_no]
    of_yes_no = fit_threshold(confidences, [row.correctness for row in yes_no], tuning.yes_no_threshold, precision)
    return replace(tuning, yes_no_threshold=of_yes_no.threshold), replace(report, yes_no=of_yes_no)


def fit_confidence(tuning: QATuning, answers: Sequence[tuple[float, float]]) -> QATuning:
    """Fit the confidence to answers, each its score in nats and its correctness from 0 to 1."""
    midpoint, scale = _fit_sigmoid(answers, tuning.confidence_midpoint, tuning.confidence_scale)
    return replace(tuning, confidence_midpoint=midpoint, confidence_scale=scale)


def _fit_sigmoid(answers: Sequence[tuple[float, float]], midpoint: float, scale: float) -> tuple[float, float]:
    """Return midpoint and scale of the probability to be right (Platt scaling).

    Where all answers are right, or all wrong, or a higher score does not speak for an answer, nothing can be fitted.
    """
    from scipy.optimize import minimize

    scores, right = np.asarray(answers, dtype=np.float64).reshape(-1, 2).T
    positive = right.sum()
    negative = len(right) - positive
    if not positive or not negative:
        return midpoint, scale
    # Platt's targets: not quite 0 and 1, so that few rows do not make the confidence extreme.
    targets = right * (positive + 1) / (positive + 2) + (1 - right) / (negative + 2)

    def loss(parameters: np.ndarray) -> float:
        logits = parameters[0] * scores + parameters[1]
        return float(np.sum(np.logaddexp(0, logits) - targets * logits))

    start = [1 / scale, -midpoint / scale]
    slope, intercept = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 2000}).x
    return (float(-intercept / slope), float(1 / slope)) if slope > 1e-6 else (midpoint, scale)


def fit_threshold(
    confidences: Sequence[float], correctness: Sequence[float | None], former: float, precision: float | None = None
) -> QACalibrationReport:
    """Find the threshold with the highest mean correctness of answers; it is `None` for a question without one.

    With a precision it is the lowest threshold at which the answers that are given have this mean correctness. Without
    any questions it is the former one, and the figures are NaN.
    """
    if not confidences:
        return QACalibrationReport(former, math.nan, math.nan, math.nan, math.nan)
    if precision is None:
        ordered = sorted(set(confidences))
        between = [(low + high) / 2 for low, high in pairwise(ordered)]
        candidates = [0.0, *between, min(1.0, math.nextafter(ordered[-1], 2))]
        best = max(candidates, key=lambda threshold: _mean_correctness(confidences, correctness, threshold))
    else:
        right = np.array([correct or 0.0 for correct in correctness])
        best = threshold_for(np.array(confidences), right, precision)
    return report_thresholds(confidences, correctness, former, best)


def report_thresholds(
    confidences: Sequence[float], correctness: Sequence[float | None], former: float, threshold: float
) -> QACalibrationReport:
    """Return the figures of a threshold, beside those of the former one."""
    pairs = list(zip(confidences, correctness, strict=True))
    before, after = (_mean_correctness(confidences, correctness, one) for one in (former, threshold))
    answered = [confidence >= threshold for confidence, correct in pairs if correct is not None]
    abstained = [confidence < threshold for confidence, correct in pairs if correct is None]
    return QACalibrationReport(threshold, before, after, _share(answered), _share(abstained))


def _mean_correctness(confidences: Sequence[float], correctness: Sequence[float | None], threshold: float) -> float:
    gains = (
        float(confidence < threshold) if correct is None else correct * (confidence >= threshold)
        for confidence, correct in zip(confidences, correctness, strict=True)
    )
    return sum(gains) / len(confidences)


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else math.nan


def _answered(rows: Sequence[ScoredRow]) -> list[tuple[float, float]]:
    return [(row.score, row.correctness or 0.0) for row in rows if math.isfinite(row.score)]
