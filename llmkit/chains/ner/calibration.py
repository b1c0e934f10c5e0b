"""Turn scores into probabilities of entities, and fit these to labelled texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.calibration import Calibration, CalibrationReport, ExamplesReport, Matrix, threshold_for
from llmkit.chains.ner.results import Entity, resolve_overlaps
from llmkit.chains.ner.span_scorer import ScoredText
from llmkit.errors import InputError
from llmkit.text.segmentation import Span
from llmkit.text.words import occurrences

FOLDS = 5
MIN_GAIN = 0.03
"""Fitting must improve the F1 of examples that it was not fitted to by this much."""


@dataclass(frozen=True)
class LabelledText:
    """A text with all of its entities: the label of each span."""

    text: str
    entities: Mapping[Span, str]

    @classmethod
    def parse(cls, example: Any, labels: Sequence[str], what: str) -> LabelledText:
        """Return the text of `{"input": text, "output": [{"text": …, "label": …}, …]}`, which errors name `what`."""
        if not isinstance(example, Mapping) or not {"input", "output"} <= set(example):
            raise InputError(f"{what} is {example!r:.80}, but must be a dictionary with 'input' and 'output'")
        text, named = example["input"], example["output"]
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{what}'s 'input' is {text!r:.80}, but must be text")
        if isinstance(named, str | Mapping) or not isinstance(named, Iterable):
            raise InputError(f"{what}'s 'output' is {named!r:.80}, but must be a list of {{'text': …, 'label': …}}")
        entities: dict[Span, str] = {}
        for item in named:
            if not isinstance(item, Mapping) or not {"text", "label"} <= set(item):
                raise InputError(f"{what} has the entity {item!r:.80}, but must have {{'text': …, 'label': …}}")
            if item["label"] not in labels:
                raise InputError(f"{what} has the label {item['label']!r}, but the labels are {', '.join(labels)}")
            spans = list(occurrences(str(item["text"]), text))
            if not spans:
                raise InputError(f"{what} has the entity {item['text']!r}, which is not in its text")
            entities |= {span: item["label"] for span in spans}
        return cls(text, entities)


LabelledScores = tuple[LabelledText, ScoredText]


@dataclass(frozen=True)
class EntityDecoder:
    """Turns the scores of candidates into entities.

    Attributes:
        labels: names of the score columns.
        no_entity_score: the score of "no entity", the last column of the calibration, in nats.
    """

    labels: Sequence[str]
    no_entity_score: float
    calibration: Calibration = field(default_factory=Calibration)

    def probabilities(self, scored: ScoredText) -> Matrix:
        """Return the probability of each label for each candidate: [candidates, labels]."""
        return self.calibration.probabilities(self._with_no_entity(scored.scores))[:, :-1]

    def entities(self, scored: ScoredText, threshold: float) -> list[Entity]:
        """Return the entities of a text."""
        return resolve_overlaps(scored.text, scored.candidates, self.probabilities(scored), self.labels, threshold)

    def fit(self, rows: Sequence[LabelledScores]) -> EntityDecoder:
        """Return the decoder with the temperature and biases that fit labelled texts best."""
        scores, truth = self.training_rows(rows)
        return replace(self, calibration=self.calibration.fit(scores, truth)) if len(scores) else self

    def fit_label_bias(self, rows: Sequence[LabelledScores]) -> EntityDecoder:
        """Return the decoder with only the differences of the labels' biases fitted."""
        bias = np.array(self.fit(rows).calibration.bias or ())
        if not bias.size:
            return self
        return replace(self, calibration=Calibration(bias=(*(bias[:-1] - bias[:-1].mean()).tolist(), 0.0)))

    def calibrate(self, rows: Sequence[LabelledScores], precision: float | None) -> CalibrationReport:
        """Return the best calibration for labelled texts and the threshold for a precision; else `InputError`."""
        scores, truth = self.training_rows(rows)
        if not len(scores):
            raise InputError("there is nothing in these rows that could be an entity: give other texts")
        after = replace(self, calibration=self.calibration.fit(scores, truth))
        threshold = None if precision is None else after._threshold_for(rows, precision)
        losses = self.calibration.log_loss(scores, truth), after.calibration.log_loss(scores, truth)
        return CalibrationReport(len(rows), after.calibration, *losses, threshold)

    def f1(self, rows: Sequence[LabelledScores]) -> float:
        """Return the harmonic mean of precision and recall of exact spans with their labels."""
        right = found = expected = 0
        for labelled, scored in rows:
            predicted = {(Span(entity.start, entity.end), entity.label) for entity in self.entities(scored, 0.5)}
            right += len(predicted & set(labelled.entities.items()))
            found, expected = found + len(predicted), expected + len(labelled.entities)
        return 2 * right / max(found + expected, 1)

    def training_rows(self, rows: Sequence[LabelledScores]) -> tuple[Matrix, NDArray[np.bool_]]:
        """Return the scores and truth, [candidates, labels and none], of entities and the best candidates."""
        scores, truth = [], []
        for labelled, scored in rows:
            winners = {Span(entity.start, entity.end) for entity in self.entities(scored, 0.0)}
            for candidate, row in zip(scored.candidates, self._with_no_entity(scored.scores), strict=True):
                label = labelled.entities.get(candidate.span)
                if label is not None or candidate.span in winners:
                    scores.append(row)
                    truth.append(len(self.labels) if label is None else self.labels.index(label))
        columns = len(self.labels) + 1
        return np.array(scores).reshape(-1, columns), np.eye(columns, dtype=bool)[truth]

    def _threshold_for(self, rows: Sequence[LabelledScores], precision: float) -> float:
        found = [
            (entity.score or 0.0, labelled.entities.get(Span(entity.start, entity.end)) == entity.label)
            for labelled, scored in rows
            for entity in self.entities(scored, 0.0)
        ]
        return threshold_for(np.array([p for p, _ in found]), np.array([right for _, right in found]), precision)

    def _with_no_entity(self, scores: Matrix) -> Matrix:
        return np.concatenate([scores, np.full((len(scores), 1), self.no_entity_score)], axis=1)


def fit_if_better(decoder: EntityDecoder, rows: Sequence[LabelledScores]) -> tuple[EntityDecoder, ExamplesReport]:
    """Return the decoder, fitted to labelled texts if cross-validation shows that it finds entities better then."""
    if len(rows) < 2:
        return decoder, ExamplesReport(len(rows), "none")

    def cross_validated_f1(fit: Callable[[Sequence[LabelledScores]], EntityDecoder]) -> float:
        folds = range(min(FOLDS, len(rows)))
        rests = ([row for index, row in enumerate(rows) if index % FOLDS != fold] for fold in folds)
        return float(np.mean([fit(rest).f1(rows[fold::FOLDS]) for fold, rest in zip(folds, rests, strict=True)]))

    biased, fitted = cross_validated_f1(decoder.fit_label_bias), cross_validated_f1(decoder.fit)
    plain = cross_validated_f1(lambda _: decoder)
    report = ExamplesReport(len(rows), "none", "F1", plain, max(biased, fitted))
    if max(biased, fitted) <= plain + MIN_GAIN:
        return decoder, report
    learned = decoder.fit_label_bias(rows) if biased >= fitted else decoder.fit(rows)
    bias = dict(zip(decoder.labels, learned.calibration.bias or (), strict=False))
    return learned, replace(report, use="calibration", temperature=learned.calibration.temperature, bias=bias)
