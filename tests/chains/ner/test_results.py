"""Of spans that overlap the likeliest are entities."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from llmkit.chains.ner.results import Entities, Entity, resolve_overlaps
from llmkit.text.segmentation import Span

TEXT = "Ada Lovelace met Charles Babbage in London."
LABELS = ["person", "place"]


def resolved(spans: list[tuple[str, list[float]]], threshold: float = 0.5) -> list[tuple[str, str, float | None]]:
    places = [Span(TEXT.index(name), TEXT.index(name) + len(name)) for name, _ in spans]
    probabilities = np.array([row for _, row in spans])
    return [
        (each.text, each.label, each.score) for each in resolve_overlaps(TEXT, places, probabilities, LABELS, threshold)
    ]


def test_the_likeliest_of_overlapping_entities_is_kept() -> None:
    assert resolved([("Ada", [0.6, 0.1]), ("Ada Lovelace", [0.9, 0.0]), ("Lovelace", [0.7, 0.1])]) == [
        ("Ada Lovelace", "person", 0.9)
    ]
    assert resolved([("Ada Lovelace", [0.6, 0.0]), ("Lovelace met", [0.0, 0.7]), ("Ada", [0.55, 0.0])]) == [
        ("Ada", "person", 0.55),
        ("Lovelace met", "place", 0.7),
    ]
    assert resolved([("London", [0.2, 0.7]), ("Ada", [0.8, 0.1])]) == [("Ada", "person", 0.8), ("London", "place", 0.7)]
    assert resolved([("London", [0.2, 0.4])]) == []
    assert resolved([("London", [0.2, 0.4])], 0.4) == [("London", "place", 0.4)]


def test_a_complete_name_with_an_uncertain_label_is_preferred_to_its_part() -> None:
    assert resolved([("Ada", [0.7, 0.1]), ("Ada Lovelace", [0.6, 0.35])]) == [("Ada Lovelace", "person", 0.6)]
    assert resolved([("Ada", [0.7, 0.1]), ("Ada Lovelace", [0.45, 0.45])]) == [("Ada", "person", 0.7)]


def test_adjacent_entities_of_one_label_are_merged_if_that_is_likely() -> None:
    parts = [("Ada", [0.9, 0.0]), ("Lovelace", [0.8, 0.0])]
    assert resolved([*parts, ("Ada Lovelace", [0.6, 0.0])]) == [("Ada Lovelace", "person", 0.6)]
    assert [name for name, *_ in resolved([*parts, ("Ada Lovelace", [0.4, 0.0])])] == ["Ada", "Lovelace"]
    assert [name for name, *_ in resolved(parts)] == ["Ada", "Lovelace"]
    other = [parts[0], ("Lovelace", [0.0, 0.8]), ("Ada Lovelace", [0.6, 0.0])]
    assert [name for name, *_ in resolved(other)] == ["Ada", "Lovelace"]


@pytest.mark.slow
@given(st.data())
@settings(max_examples=200, deadline=None)
def test_entities_never_overlap_and_are_in_order(data: st.DataObject) -> None:
    text = data.draw(st.text("ab \n", min_size=1, max_size=12))
    places = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).filter(lambda pair: pair[0] < pair[1])
    spans = [Span(*pair) for pair in data.draw(st.lists(places, max_size=12, unique=True))]
    probabilities = np.array([data.draw(st.tuples(st.floats(0, 0.5), st.floats(0, 0.5))) for _ in spans]).reshape(-1, 2)
    threshold = data.draw(st.floats(0, 0.5))
    found = resolve_overlaps(text, spans, probabilities, LABELS, threshold)
    assert all(text[each.start : each.end] == each.text and each.label in LABELS for each in found)
    assert all(first.end <= second.start for first, second in pairwise(found))
    assert all(threshold <= each.score <= 1 for each in found if each.score is not None)
    assert all(Span(each.start, each.end) in spans for each in found)
    free = [span for span, row in zip(spans, probabilities, strict=True) if row.max() >= threshold]
    assert all(any(span.start < each.end and each.start < span.end for each in found) for span in free)


def test_entities_are_immutable() -> None:
    entity = Entity(text="Ada", label="person", start=0, end=3)
    with pytest.raises(ValidationError, match="frozen"):
        entity.label = "place"
    assert entity.model_dump() == {"text": "Ada", "label": "person", "start": 0, "end": 3, "score": None}


def test_entities_are_a_frozen_sequence() -> None:
    ada, bob = (Entity(text=name, label="person", start=at, end=at + 3) for name, at in (("Ada", 0), ("Bob", 8)))
    found = Entities(text="Ada met Bob", entities=(ada, bob))
    assert isinstance(found, Sequence)
    assert (len(found), found[0], found[-1], found[:1]) == (2, ada, bob, (ada,))
    assert list(found) == [ada, bob]
    assert bob in found
    assert not Entities(text="Nobody")
    assert Entities.model_validate_json(found.model_dump_json()) == found != Entities(text="Ada met Bob")
    with pytest.raises(ValidationError, match="frozen"):
        found.text = "x"
