"""The probability of a span is its share of all sets of spans that do not overlap."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.chains.ner.lattice import SpanLattice
from llmkit.text.segmentation import Span

SPANS = st.builds(lambda start, size: Span(start, start + size), st.integers(0, 8), st.integers(1, 4))


def enumerated(spans: list[Span], log_odds: list[float]) -> tuple[float, list[float]]:
    """Return the log-sum over all analyses and each span's probability, by listing the analyses."""
    weights = dict.fromkeys(range(len(spans)), 0.0)
    total = 0.0
    for size in range(len(spans) + 1):
        for chosen in combinations(range(len(spans)), size):
            ordered = sorted((spans[place] for place in chosen), key=lambda span: span.start)
            if all(left.end <= right.start for left, right in pairwise(ordered)):
                weight = float(np.exp(sum(log_odds[place] for place in chosen)))
                total += weight
                for place in chosen:
                    weights[place] += weight
    return float(np.log(total)), [weight / total for weight in weights.values()]


@given(st.lists(st.lists(SPANS, max_size=6, unique_by=lambda span: (span.start, span.end)), max_size=3), st.data())
@settings(max_examples=80, deadline=None)
def test_marginals_are_those_of_all_analyses(texts: list[list[Span]], data: st.DataObject) -> None:
    odds = [[data.draw(st.floats(-5, 5)) for _ in spans] for spans in texts]
    total, found = SpanLattice.build(texts).log_marginals(np.array([one for row in odds for one in row]))
    expected = [enumerated(spans, row) for spans, row in zip(texts, odds, strict=True)]
    assert total == pytest.approx(sum(one for one, _ in expected))
    assert np.exp(found) == pytest.approx([one for _, row in expected for one in row])


def test_extreme_log_odds_stay_finite() -> None:
    total, found = SpanLattice.build([[Span(0, 2), Span(1, 3)]]).log_marginals(np.array([900.0, -900.0]))
    assert total == pytest.approx(900)
    assert np.exp(found) == pytest.approx([1, 0])
