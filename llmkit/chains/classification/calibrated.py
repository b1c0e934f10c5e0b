"""What turns scores into results, and is fitted: a calibration, a threshold, and priors of the current weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from llmkit.chains.base import Chain, unwrap_all
from llmkit.chains.calibration import Calibration, CalibrationReport, fit_calibration, warn_of_few
from llmkit.chains.classification.joint_evidence import JointEvidence
from llmkit.chains.classification.language_model import LanguageModelEvidence
from llmkit.chains.classification.long_texts import PooledRow
from llmkit.chains.classification.results import Classification, Method
from llmkit.chains.inputs import Text, validate_share
from llmkit.chains.labels import Labels
from llmkit.errors import InputError
from llmkit.locks import CopyableLock


class CalibratedClassifier(Chain[Text, str, Classification]):
    """A chain whose scores stand on some evidence, and can be calibrated.

    Attributes:
        multi_label: whether each label holds or not by itself.
        threshold: the least probability of a label; `None` gives the likeliest one in any case.
        calibration: what turns scores into probabilities.
    """

    _evidence: LanguageModelEvidence | JointEvidence | None = None
    _method: Method = "likelihood"

    def __init__(self, labels: Labels, threshold: float | None) -> None:
        self._labels, self.multi_label = labels, labels.multi_label
        default = 0.5 if labels.multi_label else None
        self.threshold = default if threshold is None else validate_share(threshold, "threshold")
        self._uncalibrated_threshold = self.threshold
        self.calibration = Calibration(independent=self.multi_label)
        self._lock = CopyableLock()

    def _require_evidence(self) -> LanguageModelEvidence | JointEvidence:
        if self._evidence is None:
            raise InputError("this model returns no log-likelihoods, so there is nothing to fit: use HuggingFaceChat")
        return self._evidence

    def _forget_stale(self) -> None:
        """Forget what was measured with other weights: the prior is measured again, a calibration is undone."""
        with self._lock:
            if self._evidence is None or not self._evidence.forget_stale():
                return
            if self.calibration != Calibration(independent=self.multi_label):
                self._evidence.warn_uncalibrated()
            self._undo_calibration()

    def _undo_calibration(self) -> None:
        self.calibration, self.threshold = Calibration(independent=self.multi_label), self._uncalibrated_threshold

    def _measure_prior(self, texts: Sequence[str]) -> CalibrationReport:
        with self._lock:
            self._require_evidence().measure_prior(texts)
            self._undo_calibration()
        return CalibrationReport(len(texts), self.calibration)

    def _fit(self, texts: Sequence[str], labels: Sequence[Any], precision: float | None) -> CalibrationReport:
        """Fit the calibration, and for a precision the threshold, to labelled texts."""
        indices = [self._labels.indices(label, f"row {number}") for number, label in enumerate(labels, 1)]
        if len(set(map(tuple, indices))) < 2:
            raise InputError("all rows have the same label: probabilities can be fitted to rows of at least two labels")
        truth = np.array([[label in row for label in range(len(self._labels.names))] for row in indices])
        scores = np.stack([pooled.row for pooled in unwrap_all(self._require_evidence().try_pooled_scores(texts))])
        report = fit_calibration(scores, truth, precision, independent=self.multi_label)
        with self._lock:
            self.calibration = report.calibration
            self.threshold = self.threshold if report.threshold is None else report.threshold
        warn_of_few(len(texts))
        return report

    def _classification(self, pooled: PooledRow) -> Classification:
        calibration, threshold = self.calibration, self.threshold
        probabilities = calibration.probabilities(pooled.row[None])[0]
        return Classification.from_probabilities(
            dict(zip(self._labels.names, map(float, probabilities), strict=True)),
            threshold,
            multi_label=self.multi_label,
            calibrated=calibration != Calibration(independent=self.multi_label),
            passages=pooled.passages,
            evidence=pooled.evidence,
            method=self._method,
        )
