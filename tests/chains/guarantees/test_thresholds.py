"""Thresholds with a guaranteed error: exact bounds, order of the rows, and violations over many draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from llmkit.chains.guarantees.guarantee import Guarantee, validate_guarantee
from llmkit.chains.guarantees.thresholds import (
    ShareOfFalse,
    Target,
    binomial_p_values,
    bounded_p_values,
    clopper_pearson,
    control_error,
    control_share,
)
from llmkit.errors import InputError
from tests.support.guarantees import DRAWS, POPULATIONS, Population, draws

shares = st.floats(0.01, 0.99)
answers = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=120)


@given(st.integers(0, 300), st.integers(1, 300), st.floats(0.5, 0.999))
def test_the_bound_is_that_of_scipy(wrong: int, answered: int, confidence: float) -> None:
    wrong = min(wrong, answered)
    wanted = binomtest(wrong, answered, alternative="less").proportion_ci(confidence, method="exact").high
    assert clopper_pearson(wrong, answered, confidence) == pytest.approx(wanted, abs=1e-9)


@given(st.integers(0, 200), st.integers(1, 200), shares)
def test_p_values_are_those_of_scipy_and_agree_with_the_bound(wrong: int, answered: int, error: float) -> None:
    wrong = min(wrong, answered)
    found = float(binomial_p_values(wrong, answered, error))
    assert found == pytest.approx(binomtest(wrong, answered, error, alternative="less").pvalue, abs=1e-9)
    if abs(found - 0.05) > 1e-9:
        assert (found < 0.05) == (clopper_pearson(wrong, answered, 0.95) < error)


@given(st.integers(1, 200), shares, shares, shares)
def test_p_values_rise_with_the_losses_and_are_no_smaller_than_exact_ones(
    answered: int, error: float, low: float, high: float
) -> None:
    low, high = sorted((low * answered, high * answered))
    for p_values in (binomial_p_values, bounded_p_values):
        assert p_values(np.floor(low), answered, error) <= p_values(np.floor(high), answered, error) + 1e-12
    assert bounded_p_values(low, answered, error) >= binomial_p_values(np.floor(low), answered, error) - 1e-12


@given(answers, shares, st.floats(0.5, 0.99), st.randoms())
def test_the_order_of_the_rows_changes_nothing(rows: Any, error: float, confidence: float, random: Any) -> None:
    def guarantees() -> tuple[Guarantee, Guarantee]:
        scores, wrong = [score / 8 for score, _ in rows], [is_wrong for _, is_wrong in rows]
        texts = [
            ShareOfFalse.from_items([score, 0.5], [is_wrong, True])
            for score, is_wrong in zip(scores, wrong, strict=True)
        ]
        target = Target(error, confidence)
        return control_error(scores, wrong, target), control_share(texts, target)

    before = guarantees()
    random.shuffle(rows)
    assert guarantees() == before


@settings(max_examples=50)
@given(answers, shares, shares, st.floats(0.5, 0.99))
def test_a_larger_error_is_guaranteed_with_no_higher_threshold_if_the_sequence_begins_alike(
    rows: Any, one: float, other: float, confidence: float
) -> None:
    scores, wrong = zip(*rows * 6, strict=True)
    strict, lax = Target(min(one, other), confidence), Target(max(one, other), confidence)
    if strict.first_rank(len(scores)) != lax.first_rank(len(scores)):
        return
    found, more = control_error(scores, wrong, strict), control_error(scores, wrong, lax)
    assert not found.holds or (more.holds and more.threshold <= found.threshold)


@given(answers, shares, st.floats(0.5, 0.99))
def test_what_is_answered_agrees_with_the_threshold(rows: Any, error: float, confidence: float) -> None:
    scores, wrong = (np.array(column) for column in zip(*rows * 4, strict=True))
    found = control_error(scores, wrong, Target(error, confidence))
    if not found.holds:
        assert found.reason
        assert found.statement.startswith("nothing is guaranteed")
        return
    is_answered = scores >= found.threshold
    assert (found.answered, found.wrong) == (is_answered.sum(), wrong[is_answered].sum())
    assert clopper_pearson(int(found.wrong), found.answered, confidence) <= error + 1e-9


def test_rows_that_have_no_answer_are_never_counted_as_answered() -> None:
    found = control_error([0.9] * 40 + [-np.inf] * 20, [False] * 40 + [True] * 20, Target(0.1))
    assert (found.threshold, found.answered, found.rows, found.wrong) == (0.0, 40, 60, 0)


def test_too_few_rows_say_how_many_are_needed() -> None:
    found = control_error(np.linspace(0, 1, 20), [False] * 20, Target(0.1))
    assert not found.holds
    assert found.rows_needed == 29  # 0.9 ** 29 < 0.05 < 0.9 ** 28
    assert "29" in found.statement
    assert control_error(np.linspace(0, 1, 29), [False] * 29, Target(0.1)).holds


def test_the_number_of_rows_that_are_needed_is_enough_if_they_are_like_these() -> None:
    wrong = np.arange(100) % 20 == 10  # 5 % at every score
    few = control_error(np.linspace(1, 0, 100), wrong, Target(0.1))
    assert not few.holds
    assert 100 < few.rows_needed < 2_000
    repeats = -(-few.rows_needed // 100)
    many = control_error(np.linspace(1, 0, 100 * repeats), np.tile(wrong, repeats), Target(0.1))
    assert many.holds


def test_a_high_base_error_says_what_must_stay_unanswered() -> None:
    wrong = np.arange(100) % 5 < 2  # 40 %, whatever the score
    found = control_error(np.linspace(1, 0, 100), wrong, Target(0.1))
    assert found.must_abstain == pytest.approx((0.4 - 0.1) / 0.9)
    assert found.rows_needed is None
    assert "33.3 %" in found.statement


@pytest.mark.slow
@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize(("error", "rows"), [(0.05, 200), (0.1, 50), (0.1, 200), (0.2, 100)])
def test_violations_over_1000_draws_are_no_more_than_was_promised(name: str, error: float, rows: int) -> None:
    population = POPULATIONS[name]
    found = [
        control_error(scores, wrong, Target(error, 0.9)).threshold for scores, wrong in draws(population, rows, error)
    ]
    violations = sum(threshold is not None and population.risk(threshold) > error for threshold in found)
    # 1,000 draws with at most 10 % violations: more than 128 have a probability of 0.2 %
    assert violations <= 128
    assert len(found) == DRAWS


def test_the_largest_share_of_violations_is_near_to_what_was_promised() -> None:
    """A bound that is never violated would be a loose one."""
    population = Population(lambda scores: np.where(scores > 0.5, 0.1, 0.9))
    found = [control_error(scores, wrong, Target(0.0999, 0.9)).threshold for scores, wrong in draws(population, 60, 0)]
    violations = sum(threshold is not None and population.risk(threshold) > 0.0999 for threshold in found)
    assert 20 <= violations <= 128


@pytest.mark.slow
def test_shares_of_false_items_are_kept_too() -> None:
    rng = np.random.default_rng(3)

    def texts(count: int) -> list[ShareOfFalse]:
        sizes = rng.integers(0, 5, count)
        scores = [rng.random(size) for size in sizes]
        return [ShareOfFalse.from_items(row, rng.random(len(row)) < 0.6 * (1 - row)) for row in scores]

    many, violations, held = texts(4_000), 0, 0
    for _ in range(100):
        found = control_share(texts(150), Target(0.2, 0.9, "entities"))
        held += found.holds
        violations += found.holds and _mean_share(many, found.threshold or 0.0) > 0.2
    assert held > 30
    assert violations <= 19  # of 100 with at most 10 %: more have a probability of 0.2 %


def _mean_share(texts: list[ShareOfFalse], threshold: float) -> float:
    counts = [int(np.count_nonzero(text.thresholds >= threshold)) for text in texts]
    return float(np.mean([text.losses[count - 1] for text, count in zip(texts, counts, strict=True) if count]))


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, "0.1", True, float("nan")])
@pytest.mark.parametrize("name", ["error", "confidence"])
def test_errors_and_confidences_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name):
        validate_guarantee(**{"error": 0.1, "confidence": 0.95, "precision": None, name: value})
    with pytest.raises(InputError, match="both"):
        validate_guarantee(0.1, 0.95, 0.9)
