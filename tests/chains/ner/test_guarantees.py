"""Entities with a guaranteed share of false ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llmkit.chains import NERChain
from llmkit.chains.ner.evidence import EvidenceWeights
from llmkit.chains.ner.guarantees import LOWEST_THRESHOLD, share_of_false
from llmkit.chains.ner.tuning import SMOLLM2_135M
from llmkit.errors import InputError
from llmkit.text.segmentation import Span
from tests.support.ner import chain_of

LIKELY = replace(SMOLLM2_135M, names=EvidenceWeights(constant=0.0))
"""With these weights a tiny model finds many entities."""
NAMES = ["Paris", "New York", "Lille", "Seven", "France"]


def rows_of(ner: NERChain, count: int = 35, threshold: float = LOWEST_THRESHOLD) -> list[dict[str, Any]]:
    """Return texts in which all that the chain finds with this threshold is labelled so."""
    former, ner.threshold = ner.threshold, threshold
    texts = [f"The dog met {NAMES[number % 5]} and fox {number} in {NAMES[number % 4]}." for number in range(count)]
    found = ner.batch(texts)
    ner.threshold = former
    return [{"input": row.text, "output": [entity.model_dump() for entity in row]} for row in found]


@pytest.mark.slow
def test_the_share_with_each_threshold_is_that_of_the_entities_found_with_it() -> None:
    ner = chain_of(tuning=LIKELY)
    labelled = ner._parse_rows(rows_of(ner, 4, 0.3), "row")
    decoder = ner._learned_decoder()
    for row in ner._score_labelled(labelled):
        path = share_of_false(decoder, row)
        assert len(path.thresholds)
        assert list(path.thresholds) == sorted(path.thresholds, reverse=True)
        for threshold, loss in zip(path.thresholds, path.losses, strict=True):
            found = decoder.entities(row[1], float(threshold))
            right = [row[0].entities.get(Span(one.start, one.end)) == one.label for one in found]
            assert loss == pytest.approx(1 - sum(right) / len(right))


@pytest.mark.slow
def test_a_guarantee_sets_the_threshold_and_stands_in_every_result() -> None:
    ner = chain_of(max_words=1, tuning=LIKELY)  # then a higher threshold finds no other entities than a lower one
    rows = rows_of(ner)
    report = ner.calibrate(rows, error=0.2)
    assert report.guarantee
    assert report.guarantee.holds
    assert (report.guarantee.unit, report.guarantee.rows, report.guarantee.error) == ("entities", 35, 0.2)
    assert ner.threshold == report.threshold == report.guarantee.threshold
    assert ner.invoke("The dog met Paris.").guarantee == report.guarantee
    expected = ner.calibrate(rows[:20], error=0.2, confidence=None).guarantee
    assert expected
    assert (expected.confidence, expected.holds) == (None, True)
    assert "on average" in expected.statement
    ner.fit(rows[20:21])
    assert ner.guarantee is None
    assert "guarantee" not in ner.invoke("The dog met Paris.").model_dump()


@pytest.mark.slow
def test_where_nothing_can_be_guaranteed_nothing_changes() -> None:
    ner = chain_of(threshold=0.3)
    rows = rows_of(ner, 10)
    for options in ({"error": 0.05}, {"error": 0.05, "confidence": None}):
        found = ner.calibrate(rows, **options).guarantee
        assert found
        assert not found.holds
        assert found.rows_needed
        assert (ner.threshold, ner.guarantee) == (0.3, None)


@pytest.mark.slow
def test_texts_that_the_chain_has_learned_from_are_refused() -> None:
    ner = chain_of()
    rows = rows_of(ner, 6)
    ner.fit(rows[:2])
    with pytest.raises(InputError, match="row 2 is one of the texts that the chain learned from"):
        ner.calibrate([rows[4], rows[1]], error=0.1)
    ner.calibrate(rows[2:4])
    with pytest.raises(InputError, match="row 1"):
        ner.calibrate(rows[3:], error=0.1)
    with pytest.raises(InputError, match="both given"):
        ner.calibrate(rows[4:], error=0.1, precision=0.5)
