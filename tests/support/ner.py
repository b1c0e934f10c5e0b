"""Entities of tiny models: chains over them, and what every result has to be."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from llmkit.chains import Entity, NERChain
from llmkit.chains.ner.tuning import SMOLLM2_135M
from llmkit.text.segmentation import Span
from tests.support.models import chat, completion

MODELS = {"llama": chat, "gpt2": completion, "t5": chat}
every = pytest.mark.parametrize("name", MODELS)
LABELS = ["person", "place"]
SAID = {"person": "a man", "place": "a city"}
TEXT = "The dog met Paris in Paris, France; and the quick brown fox met Seven Lille. New York is large."


def chain_of(name: str = "llama", **options: Any) -> NERChain:
    options = {"labels": LABELS, "descriptions": SAID, "max_words": 3, "tuning": SMOLLM2_135M, **options}
    return NERChain(MODELS[name](name, context_window=1024), **options)


@cache
def chain(name: str = "llama", threshold: float = 0.2, proper_names: bool = True) -> NERChain:
    """One chain for many texts: what it learns once is learned once."""
    return chain_of(name, threshold=threshold, proper_names=proper_names)


def near(found: Sequence[Entity], wanted: Sequence[Entity], most: float = 1e-4) -> bool:
    """Whether the entities are the same, and their probabilities nearly."""
    return [each.model_dump(exclude={"score"}) for each in found] == [
        each.model_dump(exclude={"score"}) for each in wanted
    ] and [each.score for each in found] == pytest.approx([each.score for each in wanted], abs=most)


def sound(text: str, found: Sequence[Entity], threshold: float, labels: list[str] = LABELS) -> bool:
    """Whether entities are what they should be in any text."""
    return (
        all(0 <= each.start < each.end <= len(text) and text[each.start : each.end] == each.text for each in found)
        and all(first.end <= second.start for first, second in pairwise(found))
        and all(each.label in labels for each in found)
        and all(each.score is not None and threshold <= each.score <= 1 for each in found)
    )


def places(found: Sequence[Entity | Span]) -> set[int]:
    """Every character that stands in one."""
    return {place for each in found for place in range(each.start, each.end)}
