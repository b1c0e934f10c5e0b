"""What turns scores into results, and is fitted: a calibration, a threshold, and priors of the current weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.base import Chain, unwrap_all
from llmkit.chains.calibration import Calibration, CalibrationReport, Matrix, fit_calibration, warn_of_few
from llmkit.chains.classification.joint_evidence import JointEvidence
from llmkit.chains.classification.label_sets import LabelSets, TruthProbabilities
from llmkit.chains.classification.language_model import LanguageModelEvidence
from llmkit.chains.classification.long_texts import PooledRow
from llmkit.chains.classification.results import Classification, Method
from llmkit.chains.guarantees.guarantee import Guarantee
from llmkit.chains.guarantees.seen import SeenTexts
from llmkit.chains.guarantees.thresholds import ShareOfFalse, Target, control_error, control_share
from llmkit.chains.inputs import Text, validate_share, warn_of_contradictions
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

    _guarantee: Guarantee | None = None
    _truth_probabilities: TruthProbabilities | None = None

    _evidence: LanguageModelEvidence | JointEvidence | None = None
    _method: Method = "likelihood"

    def __init__(self, labels: Labels, threshold: float | None) -> None:
        self._labels, self.multi_label = labels, labels.multi_label
        default = 0.5 if labels.multi_label else None
        self.threshold = default if threshold is None else validate_share(threshold, "threshold")
        self._uncalibrated_threshold = self.threshold
        self.calibration = Calibration(independent=self.multi_label)
        self._lock = CopyableLock()
        self._seen = SeenTexts()

    @property
    def guarantee(self) -> Guarantee | None:
        """What `calibrate` guaranteed for an error; `None` if it did not, or the threshold was changed since."""
        found = self._guarantee
        return found if found and found.threshold == self.threshold else None

    def sets(self, coverage: float = 0.9) -> LabelSets:
        """Return a chain that gives each text a set of labels, which has the true one with this probability.

        Split conformal prediction on the rows of the last `calibrate`, which must be labelled and none of the examples.
        The sets stand on the probabilities from before these rows were fitted, because the rows say nothing about
        those from after it.

        Args:
            coverage: the probability that the set of another text, like the rows, has its true label; with
                `multi_label`, all of its labels.

        Raises:
            InputError: there are no such rows, or the coverage is not above 0 and below 1.
        """
        self._forget_stale()
        rows = self._truth_probabilities
        if rows is None:
            raise InputError("sets needs labelled rows that the chain has not learned from: call calibrate(rows) first")

        def score(texts: Sequence[str]) -> list[Any]:
            self._forget_stale()
            if self._truth_probabilities is not rows:
                raise InputError("the chain was calibrated or changed since: call sets again")
            pooled = self._require_evidence().try_pooled_scores(texts)
            return [row if isinstance(row, Exception) else row.row for row in pooled]

        return LabelSets(score, self._labels.names, rows, coverage)

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

    def _learn_texts(self, examples: Sequence[Mapping[str, Any]]) -> None:
        """Remember the texts of examples that were checked; log a warning if some contradict each other."""
        pairs = [(one["input"], sorted(self._labels.indices(one["output"], "an example"))) for one in examples]
        warn_of_contradictions(pairs)
        self._seen = SeenTexts().with_texts(text for text, _ in pairs)

    def _undo_calibration(self) -> None:
        self.calibration, self.threshold = Calibration(independent=self.multi_label), self._uncalibrated_threshold
        self._guarantee = self._truth_probabilities = None

    def _measure_prior(self, texts: Sequence[str]) -> CalibrationReport:
        with self._lock:
            self._require_evidence().measure_prior(texts)
            self._undo_calibration()
            self._seen = self._seen.with_texts(texts)
        return CalibrationReport(len(texts), self.calibration)

    def _fit(self, texts: Sequence[str], labels: Sequence[Any], precision: float | None) -> CalibrationReport:
        """Fit the calibration, and for a precision the threshold, to labelled texts."""
        scores, truth = self._score_labelled(texts, labels)
        if (truth == truth[0]).all():
            raise InputError("all rows have the same label: probabilities can be fitted to rows of at least two labels")
        report = fit_calibration(scores, truth, precision, independent=self.multi_label)
        is_new = not self._seen.has_any(texts)
        with self._lock:
            self._truth_probabilities = (
                TruthProbabilities.from_scores(self.calibration, scores, truth) if is_new else None
            )
            self.calibration, self._guarantee = report.calibration, None
            self.threshold = self.threshold if report.threshold is None else report.threshold
            self._seen = self._seen.with_texts(texts)
        warn_of_few(len(texts))
        return report

    def _guarantee_error(
        self, texts: Sequence[str], labels: Sequence[Any], error: float, confidence: float
    ) -> CalibrationReport:
        """Set the threshold with which at most this share of the labels is wrong; nothing is fitted."""
        self._seen.refuse(texts)
        scores, truth = self._score_labelled(texts, labels)
        probabilities, target = self.calibration.probabilities(scores), Target(error, confidence, "labels")
        if self.multi_label:
            shares = [ShareOfFalse.from_items(*row) for row in zip(probabilities, ~truth, strict=True)]
            found = control_share(shares, target)
        else:
            is_wrong = ~truth[np.arange(len(truth)), probabilities.argmax(axis=1)]
            found = control_error(probabilities.max(axis=1), is_wrong, target)
        with self._lock:
            self._truth_probabilities = TruthProbabilities.from_scores(self.calibration, scores, truth)
            self._guarantee = found if found.holds else self._guarantee
            self.threshold = self.threshold if found.threshold is None else found.threshold
        return CalibrationReport(len(texts), self.calibration, threshold=found.threshold, guarantee=found)

    def _score_labelled(self, texts: Sequence[str], labels: Sequence[Any]) -> tuple[Matrix, NDArray[np.bool_]]:
        """Return the scores of labelled texts, and which labels hold: both are [rows, labels]."""
        indices = [self._labels.indices(label, f"row {number}") for number, label in enumerate(labels, 1)]
        truth = np.array([[label in row for label in range(len(self._labels.names))] for row in indices])
        pooled = unwrap_all(self._require_evidence().try_pooled_scores(texts))
        return np.stack([one.row for one in pooled]), truth

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
            guarantee=self.guarantee,
        )
