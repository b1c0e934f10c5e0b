"""Label sets with a coverage, and an expected share of false items."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.chains.guarantees.conformal import control_expected_share, rows_for_coverage, set_threshold
from llmkit.chains.guarantees.thresholds import ShareOfFalse, Target

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=60)


@given(probabilities, st.floats(0.05, 0.95))
def test_so_many_of_the_rows_are_covered_that_another_is_too(values: list[float], coverage: float) -> None:
    threshold = set_threshold(values, coverage)
    covered = sum(value >= threshold for value in values)
    assert covered >= min(len(values), (len(values) + 1) * coverage - 1e-6)
    assert set_threshold(values[::-1], coverage) == threshold


@pytest.mark.parametrize(("coverage", "rows"), [(0.9, 9), (0.5, 1), (0.95, 19), (0.99, 99)])
def test_with_too_few_rows_every_label_is_in_the_set(coverage: float, rows: int) -> None:
    assert rows_for_coverage(coverage) == rows
    assert set_threshold([0.5] * rows, coverage) == 0.5
    assert set_threshold([0.5] * (rows - 1), coverage) == 0.0


def test_the_coverage_over_1000_draws_is_what_was_promised_and_not_much_more() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(1_000):
        *rows, other = rng.beta(2, 1, 50)
        covered += other >= set_threshold(rows, 0.9)
    assert 870 <= covered <= 945  # between 0.9 and 0.9 + 1/50; these are over 3 standard deviations away


def items(rng: Any, count: int) -> list[ShareOfFalse]:
    scores = [rng.random(size) for size in rng.integers(0, 5, count)]
    return [ShareOfFalse.from_items(row, rng.random(len(row)) < 0.7 * (1 - row)) for row in scores]


@pytest.mark.slow
def test_the_expected_share_over_1000_draws_is_at_most_the_error() -> None:
    rng = np.random.default_rng(6)
    others, losses = items(rng, 1_000), []
    for other in others:
        found = control_expected_share(items(rng, 40), Target(0.15, unit="entities"))
        count = np.count_nonzero(other.thresholds >= found.threshold) if found.holds else 0
        losses.append(other.losses[count - 1] if count else 0.0)
    assert 0.02 < np.mean(losses) <= 0.15 + 3 * np.std(losses) / np.sqrt(len(losses))


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.6))
def test_the_threshold_keeps_the_sum_of_the_greatest_losses(seed: int, error: float) -> None:
    rows = items(np.random.default_rng(seed), 30)
    found = control_expected_share(rows, Target(error, unit="entities"))
    assert found == control_expected_share(rows[::-1], Target(error, unit="entities"))
    if found.holds:
        greatest = [max(row.losses[row.thresholds >= found.threshold], default=0.0) for row in rows]
        assert (sum(greatest) + 1) / 31 <= error + 1e-9


def test_an_error_below_one_in_so_many_rows_cannot_be_guaranteed() -> None:
    found = control_expected_share(items(np.random.default_rng(1), 10), Target(0.05, unit="entities"))
    assert not found.holds
    assert found.rows_needed == 19
    assert found.confidence is None
