"""A threshold with a guaranteed share of wrong answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from llmkit.chains.guarantees.thresholds import Target, control_error
from llmkit.chains.qa.calibration import QACalibrationReport, ScoredRow, report_thresholds
from llmkit.chains.qa.tuning import QATuning

RIGHT_F1 = 0.5
"""An answer is right if the F1 of its words and the true ones is at least this; any other, and each answer to a
question that has none, is wrong."""


def guaranteed_report(
    tuning: QATuning, rows: Sequence[ScoredRow], error: float, confidence: float
) -> QACalibrationReport:
    """Return the threshold with which of the answers that are given at most this share is wrong, and its figures."""
    scores = [_confidence(tuning, row) for row in rows]
    wrong = [(row.correctness or 0.0) < RIGHT_F1 for row in rows]
    found = control_error(scores, wrong, Target(error, confidence))
    threshold = tuning.threshold if found.threshold is None else found.threshold
    report = report_thresholds(scores, [row.correctness for row in rows], tuning.threshold, threshold)
    return replace(report, guarantee=found)


def _confidence(tuning: QATuning, row: ScoredRow) -> float:
    """Return the confidence of the answer to a labelled question; minus infinity if none can be given."""
    if not math.isfinite(row.score) or not row.is_measured:
        return -math.inf
    return tuning.yes_no_confidence(row.score) if row.is_yes_no else tuning.confidence(row.score)
