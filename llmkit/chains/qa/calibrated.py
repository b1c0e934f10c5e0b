"""What question answering learns from labelled questions: confidences, thresholds and guarantees."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llmkit.chains.base import Chain
from llmkit.chains.calibration import validate_precision, warn_of_few
from llmkit.chains.guarantees.guarantee import DEFAULT_CONFIDENCE, Guarantee, validate_guarantee
from llmkit.chains.guarantees.seen import SeenTexts
from llmkit.chains.inputs import warn_of_contradictions
from llmkit.chains.qa.answer_spans import AnswerSpan
from llmkit.chains.qa.calibration import QACalibrationReport, ScoredRow, calibrated_tuning, validate_truths
from llmkit.chains.qa.guarantees import guaranteed_report
from llmkit.chains.qa.head_reader import HeadReader
from llmkit.chains.qa.prepared import PreparedQuery
from llmkit.chains.qa.reader import Reader
from llmkit.chains.qa.results import Answer
from llmkit.chains.qa.saving import SavedQA, Style
from llmkit.chains.qa.structured import QuotedQuery
from llmkit.chains.qa.tuning import QATuning
from llmkit.chains.qa.yes_no import YesNoAnswer, YesNoReader
from llmkit.chains.saving import (
    MAX_SCORE_DIFFERENCE,
    PROBE,
    Arrays,
    seen_array,
    take_array,
    take_seen,
    validate_same_embedder,
    validate_same_model,
    write_chain,
)
from llmkit.chains.scoring import WeightsWatch
from llmkit.chains.structured import StructuredTask
from llmkit.errors import InputError
from llmkit.retrieval import SentenceRetriever
from llmkit.text.ranking import unit_rows


class CalibratedQuestionAnswering(Chain[Mapping[str, Any], PreparedQuery, Answer]):
    """A chain that reads answers, and can be calibrated.

    Attributes:
        style: "extractive" or "abstractive".
        tuning: what turns scores into confidences.
        threshold, yes_no_threshold: the least confidence of an answer, and of yes and no.
        calibrated: whether the confidences were fitted on this model.
        sentence_retriever: finds the sentences that matter.
    """

    style: Style
    tuning: QATuning
    threshold: float
    yes_no_threshold: float
    calibrated: bool
    sentence_retriever: SentenceRetriever

    _arguments: dict[str, Any]
    _weights: WeightsWatch
    _reader: Reader | None = None
    _head_reader: HeadReader | None = None
    _yes_no_reader: YesNoReader | None = None
    _structured: StructuredTask[QuotedQuery, Answer] | None = None
    _guarantee: Guarantee | None = None
    _seen = SeenTexts()
    _examples: tuple[Any, ...] = ()

    def calibrate(
        self,
        rows: Sequence[Mapping[str, Any]],
        *,
        precision: float | None = None,
        error: float | None = None,
        confidence: float = DEFAULT_CONFIDENCE,
    ) -> QACalibrationReport:
        """Fit confidence and threshold to labelled questions; sets `tuning`, `threshold` and `calibrated`.

        Args:
            rows: `{"question": …, "context": …, "answer": …}`; the answer is `None` where the text has none.
            precision: set the threshold to the lowest one at which given answers were right this often, by the F1 of
                their words; else to the one with which most questions are treated right.
            error: for rows that the chain has not learned from: fit nothing, and set the threshold so that of the
                answers that are given at most this share is wrong (Learn-then-Test, Angelopoulos et al. 2021): their
                words have an F1 below 0.5, or the text has none. `report.guarantee` says so, or why nothing is
                guaranteed; then the threshold stays as it is.
            confidence: the probability, over the draw of the rows, that this is so.

        Raises:
            InputError: there are no rows, or one is wrong, says which; the model returns no log-likelihoods; no
                threshold reaches the precision; or the chain has learned from a row on which a guarantee shall stand.
                Nothing changes then.
        """
        validate_precision(precision)
        validate_guarantee(error, confidence, precision)
        if self._structured:
            raise InputError("the model returns no log-likelihoods, which calibrate needs: set the threshold yourself")
        truths = validate_truths(rows)
        prepared = [self._prepare_row(number, row) for number, row in enumerate(rows, 1)]
        if error is not None and self.style == "abstractive":
            raise InputError(
                "only phrases of the text can be compared with the labelled answers: set style='extractive'"
            )
        former = replace(self.tuning, threshold=self.threshold, yes_no_threshold=self.yes_no_threshold)
        texts = [_seen_text(item.query.question, item.query.texts) for item in prepared]
        if error is not None:
            self._seen.refuse(texts)
            report = guaranteed_report(former, self._score_rows(prepared, truths), error, confidence)
            if report.guarantee and report.guarantee.holds:
                self._guarantee = report.guarantee
                self.threshold = self.yes_no_threshold = report.threshold
            return report
        scored = self._score_rows(prepared, truths)
        self.tuning, report = calibrated_tuning(former, scored, precision)
        self.threshold, self.yes_no_threshold = self.tuning.threshold, self.tuning.yes_no_threshold
        self.calibrated, self._guarantee, self._seen = True, None, self._seen.with_texts(texts)
        warn_of_few(len(scored))
        return report

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Save what the chain learned as data, `chain.json` and `arrays.safetensors`, without models and texts.

        Only examples, which are in the prompt, are saved as text.

        Raises:
            InputError: the folder cannot be written, or the model returns no log-likelihoods.
        """
        reader, retriever = self._required_reader(), self.sentence_retriever
        self._forget_stale()
        arrays = {"probe": reader.probe(), "seen": seen_array(self._seen)}
        if retriever.embedder is not None:
            arrays["embedder.probe"] = unit_rows([retriever.embedder.embed_query(PROBE)])[0]
        saved = SavedQA(
            method=reader.method,
            style=self.style,
            **self._arguments,
            examples=self._examples,
            tuning=self.tuning,
            threshold=self.threshold,
            yes_no_threshold=self.yes_no_threshold,
            calibrated=self.calibrated,
            has_embedder=retriever.embedder is not None,
            english_only=retriever.is_english_only,
            guarantee=self.guarantee,
            seen_texts=len(self._seen.digests),
        )
        write_chain(folder, saved, arrays)

    def _restore(self, saved: SavedQA, arrays: Arrays) -> None:
        """Take over what was saved; raise `InputError` if it is damaged, or of another model, embedder or prompt."""
        reader, retriever = self._required_reader(), self.sentence_retriever
        probe = reader.probe()
        validate_same_model(take_array(arrays, "probe", len(probe)), probe, MAX_SCORE_DIFFERENCE)
        if retriever.embedder is not None:
            validate_same_embedder(arrays.get("embedder.probe"), unit_rows([retriever.embedder.embed_query(PROBE)])[0])
        retriever.is_english_only = saved.english_only
        self.threshold, self.yes_no_threshold = saved.threshold, saved.yes_no_threshold
        self.calibrated, self._guarantee = saved.calibrated, saved.guarantee
        self._seen = take_seen(saved, arrays)

    def _required_reader(self) -> Reader | HeadReader:
        if reader := self._reader or self._head_reader:
            return reader
        raise InputError("the model returns no log-likelihoods, so that nothing was learned that could be saved")

    def _forget_stale(self) -> None:
        """Note that a calibration does not hold any more, because the weights have changed."""
        if not self._weights.keeps(calibrated=self.calibrated or self._guarantee is not None):
            self.calibrated, self._guarantee = False, None

    @property
    def guarantee(self) -> Guarantee | None:
        """What `calibrate` guaranteed for an error; `None` if it did not, or a threshold was changed since."""
        found = self._guarantee
        return found if found and found.threshold == self.threshold == self.yes_no_threshold else None

    def _standing(self) -> dict[str, Any]:
        """Return what an answer's confidence stands on, as fields of the answer."""
        return {"calibrated": self.calibrated, "guarantee": self.guarantee}

    def _score_rows(self, prepared: Sequence[PreparedQuery], truths: Sequence[str | None]) -> list[ScoredRow]:
        languages = self.tuning.yes_no_languages
        answers = zip(prepared, truths, self._read(prepared), self._read_yes_no(prepared), strict=True)
        scored = []
        for number, (item, truth, span, words) in enumerate(answers, 1):
            if item.yes_no_input and words:
                row = ScoredRow.from_yes_no(words.text, words.score, truth, item.yes_no_input.words, number)
                row = replace(row, is_measured=languages is None or words.language in languages)
            else:
                row = ScoredRow.from_phrase(span.text if span else "", span.score if span else -math.inf, truth)
            scored.append(row)
        return scored

    def _prepare_row(self, number: int, row: Mapping[str, Any]) -> PreparedQuery:
        try:
            return self.prepare(row)
        except InputError as error:
            raise InputError(f"row {number}: {error}") from error

    def _read(self, prepared: Sequence[PreparedQuery]) -> list[AnswerSpan | None]:
        """Return the best span for each question that has any sentences and does not ask for yes or no."""
        if self._head_reader:
            return self._head_reader.read([item.query for item in prepared])
        inputs = [None if item.yes_no_input else item.reader_input for item in prepared]
        given = [item for item in inputs if item]
        spans = iter(self._reader.read(given) if self._reader and given else ())
        return [next(spans) if item else None for item in inputs]

    def _read_yes_no(self, prepared: Sequence[PreparedQuery]) -> list[YesNoAnswer | None]:
        """Return yes or no for each question that asks for it and has any sentences."""
        given = [item.yes_no_input for item in prepared if item.yes_no_input]
        answers = iter(self._yes_no_reader.read(given) if self._yes_no_reader and given else ())
        return [next(answers) if item.yes_no_input else None for item in prepared]

    def _learn_from(self, examples: Sequence[Any]) -> None:
        """Remember the examples, and by what their questions are recognized."""
        shown = [one for one in examples if isinstance(one, Mapping) and {"input", "question"} <= one.keys()]
        texts = [_seen_text(one["question"], [one["input"]]) for one in shown]
        warn_of_contradictions((text, one.get("output")) for text, one in zip(texts, shown, strict=True))
        self._seen, self._examples = SeenTexts().with_texts(texts), tuple(examples)


def _seen_text(question: str, texts: Sequence[str]) -> str:
    """Return by what a labelled question is recognized: itself and all that it is asked about."""
    return "\n\n".join([question, *texts])
