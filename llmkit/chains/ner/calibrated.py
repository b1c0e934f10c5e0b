"""What finding entities learns from labelled texts: a head, probabilities, thresholds and guarantees."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from llmkit.chains.base import Chain, unwrap_all
from llmkit.chains.calibration import Calibration, CalibrationReport, ExamplesReport, validate_precision, warn_of_few
from llmkit.chains.guarantees.guarantee import DEFAULT_CONFIDENCE, Guarantee, validate_guarantee
from llmkit.chains.guarantees.seen import SeenTexts
from llmkit.chains.inputs import Text, validate_share, warn_of_contradictions
from llmkit.chains.labels import Labels
from llmkit.chains.ner.calibration import EntityDecoder, LabelledScores, LabelledText
from llmkit.chains.ner.guarantees import guarantee_share
from llmkit.chains.ner.results import Entities
from llmkit.chains.ner.saving import SavedNER, load_head, save_head
from llmkit.chains.ner.span_scorer import ScoredText, SpanScorer
from llmkit.chains.ner.token_labels import TokenLabelScorer
from llmkit.chains.ner.tuning import NERTuning
from llmkit.chains.saving import (
    MAX_SCORE_DIFFERENCE,
    Arrays,
    seen_array,
    take_array,
    take_seen,
    validate_same_model,
    write_chain,
)
from llmkit.chains.scoring import WeightsWatch
from llmkit.errors import InputError, kind_of
from llmkit.locks import CopyableLock


class CalibratedNER(Chain[Text, str, Entities]):
    """A chain that finds entities by scores, and can be calibrated.

    Attributes:
        threshold: the least probability of an entity.
        tuning: the numbers that depend on the model.
    """

    tuning: NERTuning
    _arguments: dict[str, Any]
    _weights: WeightsWatch
    _is_tuned: bool

    _guarantee: Guarantee | None = None
    _decoder: EntityDecoder | None = None  # learned at the first use, under the lock
    _report: ExamplesReport | None = None
    _scorer: SpanScorer | TokenLabelScorer | None = None

    def __init__(self, labels: Labels, examples: Sequence[Mapping[str, Any]], threshold: float) -> None:
        self._labels = labels
        self._examples = self._parse_rows(examples, "example")
        self._seen = SeenTexts().with_texts(row.text for row in self._examples)
        self.threshold = self._uncalibrated_threshold = validate_share(threshold, "threshold")
        self._lock, self._plain = CopyableLock(), EntityDecoder(labels.names)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, as they were given."""
        return self._labels.names

    def examples_report(self) -> ExamplesReport | None:
        """Return what was done with the examples, which may have to be measured first.

        `None` without examples, and for a model that returns no log-likelihoods, which sees them.
        """
        with self._lock:
            if self._examples and self._scorer is not None:
                self._learned_decoder()
            return self._report if self._report and self._report.examples else None

    def calibrate(
        self,
        rows: Sequence[Mapping[str, Any]],
        *,
        precision: float | None = None,
        error: float | None = None,
        confidence: float | None = DEFAULT_CONFIDENCE,
    ) -> CalibrationReport:
        """Fit the probabilities to labelled texts: a temperature and a bias for each label (Guo et al. 2017).

        Args:
            rows: labelled texts in the form of the examples, with all of their entities.
            precision: also set `threshold` to the lowest one at which entities were right this often.
            error: for texts that the chain has not learned from: fit nothing, and set `threshold` so that on average at
                most this share of a text's entities is false. `report.guarantee` says so, or why nothing is guaranteed;
                then the threshold stays as it is.
            confidence: the probability, over the draw of the rows, that this is so (Learn-then-Test, Angelopoulos et
                al. 2021). `None`: the share is the expected one (conformal risk control, Angelopoulos et al. 2022).

        Raises:
            InputError: a row is wrong, says which; the model returns no log-likelihoods; no threshold reaches the
                precision; or the chain has learned from a row on which a guarantee shall stand. Nothing changes then.
        """
        validate_precision(precision)
        validate_guarantee(error, confidence, precision, allows_none=True)
        labelled = self._parse_rows(rows, "row")
        if not labelled:
            raise InputError("there are no rows to calibrate with")
        texts = [row.text for row in labelled]
        with self._lock:
            self._forget_stale()
            if error is not None:
                self._seen.refuse(texts)
                decoder = self._learned_decoder()
                found = guarantee_share(decoder, self._score_labelled(labelled), error, confidence)
                self._guarantee = found if found.holds else self._guarantee
                self.threshold = self.threshold if found.threshold is None else found.threshold
                return CalibrationReport(len(labelled), decoder.calibration, threshold=found.threshold, guarantee=found)
            learned = replace(self._learned_decoder(), calibration=Calibration())
            report = learned.calibrate(self._score_labelled(labelled), precision)
            self._decoder = replace(learned, calibration=report.calibration)
            self.threshold = self.threshold if report.threshold is None else report.threshold
            self._guarantee, self._seen = None, self._seen.with_texts(texts)
        warn_of_few(len(labelled))
        return report

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Save what the chain learned as data, `chain.json` and `arrays.safetensors`, without models and texts.

        Raises:
            InputError: the folder cannot be written, or the model returns no log-likelihoods.
        """
        with self._lock:
            self._forget_stale()
            decoder, report = self._learned_decoder(), self._report
            if self._scorer is None:
                raise _nothing_to_fit()
            head_evidence, arrays = save_head(decoder.head)
            arrays |= {"probe": self._scorer.probe(), "seen": seen_array(self._seen)}
            saved = SavedNER(
                labels=dict(zip(self._labels.names, self._labels.verbalized, strict=True)),
                method=self._scorer.method,
                **self._arguments,
                tuning=self.tuning,
                threshold=self.threshold,
                uncalibrated_threshold=self._uncalibrated_threshold,
                calibration=decoder.calibration,
                head_evidence=head_evidence,
                examples=report,
                guarantee=self.guarantee,
                seen_texts=len(self._seen.digests),
            )
        write_chain(folder, saved, arrays)

    def _restore(self, saved: SavedNER, arrays: Arrays) -> None:
        """Take over what was saved; raise `InputError` if it is damaged, or of another model or prompt."""
        if self._scorer is None:
            raise _nothing_to_fit()
        probe = self._scorer.probe()
        validate_same_model(take_array(arrays, "probe", len(probe)), probe, MAX_SCORE_DIFFERENCE)
        self._decoder = replace(self._plain, head=load_head(saved, arrays), calibration=saved.calibration)
        self._report, self._seen = saved.examples, take_seen(saved, arrays)
        self.threshold, self._guarantee = saved.threshold, saved.guarantee

    @property
    def guarantee(self) -> Guarantee | None:
        """What `calibrate` guaranteed for an error; `None` if it did not, or the threshold was changed since."""
        found = self._guarantee
        return found if found and found.threshold == self.threshold else None

    def _parse_rows(self, rows: Sequence[Any], what: str) -> list[LabelledText]:
        if isinstance(rows, str | Mapping) or not isinstance(rows, Iterable):
            raise InputError(f"{what}s is {kind_of(rows)}, but must be a list of labelled texts")
        parsed = [LabelledText.parse(row, self.labels, f"{what} {number}") for number, row in enumerate(rows, 1)]
        if what == "row":
            return parsed
        named = ([(span.of(row.text), label) for span, label in row.entities.items()] for row in parsed)
        warn_of_contradictions((row.text, names) for row, names in zip(parsed, named, strict=True))
        return [row for place, row in enumerate(parsed) if row not in parsed[:place]]  # copies teach nothing more

    def _forget_stale(self) -> None:
        """Forget what was measured with other weights: priors are measured again, a calibration is undone."""
        if not self._weights.has_changed() or self._scorer is None:
            return
        self._scorer = self._scorer.unmeasured()
        if self._is_tuned or (self._decoder and self._decoder != self._plain):
            self._weights.warn_uncalibrated()
        self._decoder, self._report, self._is_tuned, self._guarantee = None, None, False, None
        self.threshold = self._uncalibrated_threshold

    def _learned_decoder(self) -> EntityDecoder:
        """Return the decoder, which is fitted to the examples at the first use."""
        if self._decoder is None:
            self._decoder, self._report = self._plain.fit(self._score_labelled(self._examples))
        return self._decoder

    def _score(self, texts: Sequence[str]) -> list[ScoredText | Exception]:
        if self._scorer is None:
            raise _nothing_to_fit()
        return self._scorer.score(texts)

    def _score_labelled(self, labelled: Sequence[LabelledText]) -> list[LabelledScores]:
        scored = unwrap_all(self._score([row.text for row in labelled]))
        return list(zip(labelled, scored, strict=True))


def _nothing_to_fit() -> InputError:
    return InputError("this model returns no log-likelihoods, so there is nothing to fit: use HuggingFaceChat")
