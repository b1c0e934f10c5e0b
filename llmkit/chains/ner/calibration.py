"""Turn scores into probabilities of entities, and fit these to labelled texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.calibration import Calibration, CalibrationReport, ExamplesReport, Matrix, threshold_for
from llmkit.chains.ner.head import LabelledSpans, SpanHead, label_log_probabilities, learn_head
from llmkit.chains.ner.lattice import SpanLattice
from llmkit.chains.ner.results import Entity, resolve_overlaps
from llmkit.chains.ner.span_scorer import ScoredText
from llmkit.errors import InputError
from llmkit.prompts.validation import split_example
from llmkit.text.segmentation import Span
from llmkit.text.words import occurrences

LEAST_EXAMPLES = 4
"""From fewer texts nothing is learned."""
_LEAST_LOG_PROBABILITY = -200.0
_MOST_LOG_ODDS = 10.0


@dataclass(frozen=True)
class LabelledText:
    """A text with all of its entities: the label of each span."""

    text: str
    entities: Mapping[Span, str]

    @classmethod
    def parse(cls, example: Any, labels: Sequence[str], what: str) -> LabelledText:
        """Return the text of `{"input": text, "output": [{"text": …, "label": …}, …]}`, which errors name `what`.

        An entity without `start` and `end` is every occurrence of its words, but for those within longer entities.
        """
        text, named = split_example(example, what)
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{what}'s 'input' is {text!r:.80}, but must be text that is not empty")
        if isinstance(named, str | Mapping) or not isinstance(named, Iterable):
            raise InputError(f"{what}'s 'output' is {named!r:.80}, but must be a list of {{'text': …, 'label': …}}")
        items = list(named)
        for item in items:
            if not isinstance(item, Mapping) or not {"text", "label"} <= set(item):
                raise InputError(f"{what} has the entity {item!r:.80}, but must have {{'text': …, 'label': …}}")
            if item["label"] not in labels:
                raise InputError(f"{what} has the label {item['label']!r}, but the labels are {', '.join(labels)}")
        entities: dict[Span, str] = {}
        for item in sorted(items, key=lambda item: -len(str(item["text"]))):
            _add_entity(entities, text, item, what)
        return cls(text, dict(sorted(entities.items(), key=lambda pair: pair[0].start)))


def _add_entity(entities: dict[Span, str], text: str, item: Mapping[str, Any], what: str) -> None:
    """Add the spans of an entity to those of longer ones; raise `InputError` if there is none, or none is free."""
    words, label = str(item["text"]), item["label"]
    spans = [span for span in occurrences(words, text) if item.get("start", span.start) == span.start]
    if not spans:
        place = f" at character {item['start']}" if words in text and "start" in item else ""
        raise InputError(f"{what} has the entity {words!r}, which is not in its text{place}")
    for span in spans:
        if entities.get(span, label) != label:
            advice = "give it one label, or each entity its 'start' in the text"
            raise InputError(f"{what} has the entity {words!r} as {entities[span]!r} and as {label!r}: {advice}")
    overlapping = {span: _overlapping(span, entities) for span in spans}
    free = [span for span, other in overlapping.items() if other is None or other == span]
    if not free:
        other = next(span for span in overlapping.values() if span)
        raise InputError(
            f"{what} has the entities {other.of(text)!r} and {words!r}, which overlap: leave one of them out"
        )
    entities |= dict.fromkeys(free, label)


def _overlapping(span: Span, spans: Iterable[Span]) -> Span | None:
    """Return the first of the spans that shares a character with a span."""
    return next((one for one in spans if one.start < span.end and span.start < one.end), None)


LabelledScores = tuple[LabelledText, ScoredText]


@dataclass(frozen=True)
class EntityDecoder:
    """Turns the log-odds of candidates into entities.

    Attributes:
        labels: names of the score columns.
        head: what was learned from examples.
        calibration: of the probabilities; "no entity" is its last column.
    """

    labels: Sequence[str]
    head: SpanHead | None = None
    calibration: Calibration = field(default_factory=Calibration)

    def probabilities(self, scored: ScoredText) -> Matrix:
        """Return the probability of each label for each candidate: [candidates, labels]."""
        return self.calibration.probabilities(self.log_probabilities(scored))[:, :-1]

    def log_probabilities(self, scored: ScoredText) -> Matrix:
        """Return the log-probabilities before calibration, of each label and of no entity: [candidates, labels + 1]."""
        log_odds = scored.scores
        if self.head is not None and len(log_odds):
            log_odds = self.head.log_odds(log_odds, _evidence(scored))
        _, of_labels = label_log_probabilities(SpanLattice.build([scored.candidates]), log_odds)
        of_labels = np.maximum(of_labels, _LEAST_LOG_PROBABILITY)
        rest = np.maximum(1 - np.exp(of_labels).sum(axis=1, keepdims=True), np.exp(_LEAST_LOG_PROBABILITY))
        return np.concatenate([of_labels, np.log(rest)], axis=1)

    def entities(self, scored: ScoredText, threshold: float) -> list[Entity]:
        """Return the entities of a text."""
        return resolve_overlaps(scored.text, scored.candidates, self.probabilities(scored), self.labels, threshold)

    def fit(self, rows: Sequence[LabelledScores]) -> tuple[EntityDecoder, ExamplesReport]:
        """Return the decoder with a head learned from labelled texts, if cross-validation finds it better."""
        usable = [(labelled, scored) for labelled, scored in rows if len(scored.candidates)]
        if len(usable) < LEAST_EXAMPLES:
            return self, ExamplesReport(len(rows), "none")
        truth = [_truth(labelled, scored, self.labels) for labelled, scored in usable]
        learned = learn_head(
            LabelledSpans(
                [scored.candidates for _, scored in usable],
                np.concatenate([scored.scores for _, scored in usable]),
                np.concatenate([_evidence(scored) for _, scored in usable]),
                np.concatenate(truth),
            )
        )
        use: Literal["head", "none"] = "none" if learned.head is None else "head"
        report = ExamplesReport(len(rows), use, "log-loss", learned.loss_before, learned.loss_after)
        return replace(self, head=learned.head), report

    def calibrate(self, rows: Sequence[LabelledScores], precision: float | None) -> CalibrationReport:
        """Return the best calibration for labelled texts and the threshold for a precision; else `InputError`."""
        scores, truth = self.training_rows(rows)
        if not len(scores):
            raise InputError("there is nothing in these rows that could be an entity: give other texts")
        after = replace(self, calibration=self.calibration.fit(scores, truth))
        threshold = None if precision is None else after._threshold_for(rows, precision)
        losses = self.calibration.log_loss(scores, truth), after.calibration.log_loss(scores, truth)
        return CalibrationReport(len(rows), after.calibration, *losses, threshold)

    def training_rows(self, rows: Sequence[LabelledScores]) -> tuple[Matrix, NDArray[np.bool_]]:
        """Return the scores and truth, [candidates, labels and none], of entities and the best candidates."""
        scores, truth = [], []
        for labelled, scored in rows:
            winners = {Span(entity.start, entity.end) for entity in self.entities(scored, 0.0)}
            for candidate, row in zip(scored.candidates, self.log_probabilities(scored), strict=True):
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


def _evidence(scored: ScoredText) -> Matrix:
    """Return the evidence, and the log-odds themselves, whose weights are a temperature."""
    evidence = scored.evidence.reshape(len(scored.candidates), -1)
    return np.concatenate([np.clip(scored.scores, -_MOST_LOG_ODDS, _MOST_LOG_ODDS), evidence], axis=1)


def _truth(labelled: LabelledText, scored: ScoredText, labels: Sequence[str]) -> NDArray[np.bool_]:
    """Return which candidates have which label, [candidates, labels]."""
    named = [labelled.entities.get(candidate.span) for candidate in scored.candidates]
    return np.array([[name == label for label in labels] for name in named], dtype=bool)
