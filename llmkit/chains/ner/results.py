"""Entities, and which of many overlapping candidates they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, overload

import numpy as np
from pydantic import BaseModel, ConfigDict

from llmkit.chains.calibration import Matrix
from llmkit.chains.guarantees.guarantee import GuaranteedResult
from llmkit.chains.html import highlight
from llmkit.text.segmentation import Span


class Entity(BaseModel):
    """A named span of a text: `source[entity.start:entity.end] == entity.text`.

    Attributes:
        start, end: characters of the source, the end not included.
        score: the probability of the label; `None` from a model that returns no log-likelihoods.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    label: str
    start: int
    end: int
    score: float | None = None


class Entities(GuaranteedResult):
    """The entities of a text, in order, as a sequence: `len(entities)`, `entities[0]`, `for entity in entities`.

    Attributes:
        text: the source.
        entities: none overlaps another.
        calibrated: whether the probabilities were fitted on this model, by the chain's tuning, its
            examples or `calibrate`.
        method: "likelihood" of a language model; "token labels" of a classifier of tokens; "structured output" for a
            model that returns no log-likelihoods and was asked to name the entities.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    entities: tuple[Entity, ...] = ()
    calibrated: bool = False
    method: Literal["likelihood", "token labels", "structured output"] = "likelihood"

    def __iter__(self) -> Iterator[Entity]:  # type: ignore[override]  # pydantic's own yields its fields
        return iter(self.entities)

    def __len__(self) -> int:
        return len(self.entities)

    @overload
    def __getitem__(self, index: int) -> Entity: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Entity, ...]: ...
    def __getitem__(self, index: int | slice) -> Entity | tuple[Entity, ...]:
        return self.entities[index]

    def _repr_html_(self) -> str:
        scores = ("" if entity.score is None else f" {entity.score:.0%}" for entity in self)
        return highlight(self.text, [(e.start, e.end, e.label + score) for e, score in zip(self, scores, strict=True)])


Sequence.register(Entities)


def resolve_overlaps(
    text: str, spans: Sequence[Span], probabilities: Matrix, labels: Sequence[str], threshold: float
) -> list[Entity]:
    """Return the entities in order: of spans that reach the threshold and overlap, the one likeliest to be any entity.

    Neighbors of one label with only white space between them are one entity, where that reaches the threshold too.

    The candidates are distinct; their probabilities are [spans, labels].
    """
    places = {(span.start, span.end): place for place, span in enumerate(spans)}
    best = probabilities.argmax(axis=1)
    free = np.ones(len(text), dtype=bool)
    taken = []
    likely = probabilities.sum(axis=1)  # of any label: a name whose label is in doubt is still one name
    for place in sorted(range(len(spans)), key=lambda i: (-likely[i], spans[i].start)):
        span = spans[place]
        if probabilities[place, best[place]] >= threshold and free[span.start : span.end].all():
            free[span.start : span.end] = False
            taken.append((span.start, span.end, int(best[place])))
    found: list[tuple[int, int, int]] = []
    for start, end, label in sorted(taken):
        if found and found[-1][2] == label and not text[found[-1][1] : start].strip():
            whole = places.get((found[-1][0], end))
            if whole is not None and probabilities[whole, label] >= threshold:
                start = found.pop()[0]
        found.append((start, end, label))
    return [
        Entity(text=text[a:b], label=labels[label], start=a, end=b, score=float(probabilities[places[a, b], label]))
        for a, b, label in found
    ]
