"""Entities, and which of many overlapping mentions they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from llmkit.chains.calibration import Matrix
from llmkit.text.segmentation import Span


class Entity(BaseModel):
    """Something that a text names, at its place: `source[entity.start:entity.end] == entity.text`.

    Attributes:
        start, end: characters of the source, the end not included.
        score: the probability of the label; `None` from a model that tells no likelihoods.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    label: str
    start: int
    end: int
    score: float | None = None


def resolved(
    text: str, spans: Sequence[Span], chances: Matrix, labels: Sequence[str], threshold: float
) -> list[Entity]:
    """Give the entities in order: of spans that overlap the likeliest, where it is likely enough.

    Neighbours of one label, with nothing but white space between them, are one entity where that is likely enough too.
    `chances` are probabilities, [spans, labels].
    """
    places = {(span.start, span.end): at for at, span in enumerate(spans)}
    best = chances.argmax(axis=1)
    free = np.ones(len(text), dtype=bool)
    taken = []
    for at in sorted(range(len(spans)), key=lambda each: (-chances[each, best[each]], spans[each].start)):
        span = spans[at]
        if chances[at, best[at]] >= threshold and free[span.start : span.end].all():
            free[span.start : span.end] = False
            taken.append((span.start, span.end, int(best[at])))
    found: list[tuple[int, int, int]] = []
    for start, end, label in sorted(taken):
        if found and found[-1][2] == label and not text[found[-1][1] : start].strip():
            whole = places.get((found[-1][0], end))
            if whole is not None and chances[whole, label] >= threshold:
                start = found.pop()[0]
        found.append((start, end, label))
    return [
        Entity(text=text[a:b], label=labels[label], start=a, end=b, score=float(chances[places[a, b], label]))
        for a, b, label in found
    ]
