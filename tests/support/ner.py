"""NER chains on tiny models, and checks of their entities."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from llmkit.chains import Entity, NERChain
from llmkit.chains.ner.tuning import SMOLLM2_135M
from llmkit.text.segmentation import Span
from tests.support import tiny
from tests.support.models import chat, completion

MODELS = {"llama": chat, "gpt2": completion, "t5": chat}
every_model = pytest.mark.parametrize("name", MODELS)
LABELS = ["person", "place"]
DESCRIPTIONS = {"person": "a man", "place": "a city"}
TEXT = "The dog met Paris in Paris, France; and the quick brown fox met Seven Lille. New York is large."


def chain_of(name: str = "llama", **options: Any) -> NERChain:
    options = {"labels": LABELS, "descriptions": DESCRIPTIONS, "max_words": 3, "tuning": SMOLLM2_135M, **options}
    return NERChain(MODELS[name](name, context_window=tiny.WINDOW), **options)


@cache
def chain(name: str = "llama", threshold: float = 0.2, proper_names: bool = True) -> NERChain:
    """Return a cached chain, so that its priors are computed once."""
    return chain_of(name, threshold=threshold, proper_names=proper_names)


def entities_are_close(found: Sequence[Entity], expected: Sequence[Entity], tolerance: float = 1e-4) -> bool:
    """Return whether two lists have the same entities, with nearly equal probabilities."""
    return [entity.model_dump(exclude={"score"}) for entity in found] == [
        entity.model_dump(exclude={"score"}) for entity in expected
    ] and [entity.score for entity in found] == pytest.approx([entity.score for entity in expected], abs=tolerance)


def are_valid_entities(text: str, found: Sequence[Entity], threshold: float, labels: list[str] = LABELS) -> bool:
    """Return whether entities are ordered, verbatim spans, with known labels and scores above the threshold."""
    return (
        all(
            0 <= entity.start < entity.end <= len(text) and text[entity.start : entity.end] == entity.text
            for entity in found
        )
        and all(first.end <= second.start for first, second in pairwise(found))
        and all(entity.label in labels for entity in found)
        and all(entity.score is not None and threshold <= entity.score <= 1 for entity in found)
    )


def covered_characters(found: Sequence[Entity | Span]) -> set[int]:
    """Return the indices of all characters that are in an entity or span."""
    return {index for entity in found for index in range(entity.start, entity.end)}
