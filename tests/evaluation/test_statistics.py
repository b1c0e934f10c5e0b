"""Intervals and tests: equal to scipy's, and as wide as they say."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from llmkit.evaluation import statistics
from llmkit.evaluation.statistics import add_up, mean


def rows_of(values):
    return np.stack([np.asarray(values, float), np.ones(len(values))], axis=1)


def difference(one, other):
    return mean(one) - mean(other)


VALUES = np.random.default_rng(3).normal(size=(2, 40))


def test_an_interval_equals_scipys_percentile_interval_of_the_expanded_level():
    one, other = VALUES
    ours = statistics.bootstrap([rows_of(one), rows_of(other)], difference, draws=2000, seed=5)
    level = 1 - statistics.expanded_alpha(len(one), 0.05)
    theirs = stats.bootstrap(
        (one - other,),
        np.mean,
        n_resamples=2000,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=1e-9)
    assert ours.high == pytest.approx(theirs.high, abs=1e-9)


def test_the_same_rows_have_the_same_interval_and_another_seed_another():
    cells = [rows_of(VALUES[0])]
    first = statistics.bootstrap(cells, mean, seed=1)
    assert statistics.bootstrap(cells, mean, seed=1) == first
    assert statistics.bootstrap(cells, mean, seed=2) != first


def test_draws_in_blocks_are_those_of_one_block(monkeypatch):
    cells = [rows_of(VALUES[0])]
    whole = statistics.bootstrap(cells, mean, draws=500)
    monkeypatch.setattr(statistics, "_BLOCK", 4000)
    assert statistics.bootstrap(cells, mean, draws=500) == whole


def test_memory_does_not_grow_with_the_number_of_sums():
    rows = np.ones((1000, 3 * 77))  # those of a macro-F1 of 77 labels
    tracemalloc.start()
    statistics.bootstrap([rows], lambda sums: sums[..., 0], draws=2000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000_000  # the drawn rows themselves would take 3.7 GB


@pytest.mark.parametrize(("count", "draw"), [(20, "normal"), (60, "rates")])
def test_intervals_cover_the_true_difference_as_often_as_they_say(count, draw):
    rng = np.random.default_rng(11)
    covered, studies = 0, 2000
    for seed in range(studies):
        if draw == "normal":
            one, other, truth = rng.normal(0.2, 1, count), rng.normal(0, 1, count), 0.2
        else:
            one, other, truth = rng.random(count) < 0.6, rng.random(count) < 0.5, 0.1
        found = statistics.bootstrap([rows_of(one), rows_of(other)], difference, draws=500, seed=seed)
        covered += found.low <= truth <= found.high
    assert covered / studies == pytest.approx(0.95, abs=0.01)


def test_one_row_has_no_interval():
    assert statistics.bootstrap([rows_of([1.0])], mean) is None


@given(st.integers(0, 30), st.integers(1, 30))
def test_wilson_equals_scipys(right, more):
    found = statistics.wilson(right, right + more)
    theirs = stats.binomtest(right, right + more).proportion_ci(method="wilson")
    assert [found.low, found.high] == pytest.approx([theirs.low, theirs.high], abs=1e-9)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_a_binomial_test_of_the_pairs_that_differ(pairs):
    one, other = (np.array(column) for column in zip(*pairs, strict=True))
    gained, lost = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    expected = 1.0 if gained + lost == 0 else min(1.0, 2 * stats.binom.cdf(min(gained, lost), gained + lost, 0.5))
    assert statistics.mcnemar(one, other) == pytest.approx(expected, abs=1e-9)


def test_the_exchange_test_is_near_the_exact_one():
    one, other = VALUES[0][:10] + 0.6, VALUES[1][:10]
    exact = stats.permutation_test(
        (one, other), lambda a, b: np.mean(a) - np.mean(b), permutation_type="samples", n_resamples=2**10
    ).pvalue
    assert statistics.exchange_test(rows_of(one), rows_of(other), mean) == pytest.approx(exact, abs=0.02)


def test_the_exchange_test_of_equal_cells_is_one():
    assert statistics.exchange_test(rows_of(VALUES[0]), rows_of(VALUES[0]), mean) == 1.0


def test_p_values_of_no_difference_are_uniform():
    rng = np.random.default_rng(2)
    found = [
        statistics.exchange_test(rows_of(rng.normal(size=20)), rows_of(rng.normal(size=20)), mean, draws=500)
        for _ in range(400)
    ]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_holm_equals_the_published_procedure():
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-12)
    assert statistics.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_lowers_no_p_value(p_values):
    found = statistics.holm(p_values)
    assert all(after >= before for before, after in zip(p_values, found, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert all(found[a] <= found[b] + 1e-12 for a, b in itertools.pairwise(order))


def test_as_many_items_as_needed_find_the_difference_four_times_of_five():
    count = math.ceil(statistics.items_needed(0.3, 1.0))
    assert count == 88  # (1.96 + 0.84)² / 0.3²
    rng = np.random.default_rng(4)
    found = [stats.ttest_1samp(rng.normal(0.3, 1, count), 0).pvalue < 0.05 for _ in range(1000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)
    assert statistics.smallest_difference(1.0, count) == pytest.approx(0.3, abs=0.01)
    assert statistics.items_needed(0.0, 1.0) == math.inf


def test_fewer_items_than_a_test_needs_to_show_anything_are_not_called_enough():
    least = int(statistics.items_needed(1.0, 1e-9))  # a difference without any spread
    right = np.ones(least, dtype=bool)
    assert statistics.mcnemar(right, ~right) < 0.05
    assert statistics.mcnemar(right[1:], ~right[1:]) > 0.05


def test_items_of_a_cluster_are_one_row():
    rows = rows_of([1, 0, 1, 1])
    assert add_up(rows, ["a", "b", "a", "b"]).tolist() == [[2, 2], [1, 2]]
    assert add_up(rows, None) is rows


def test_clusters_make_an_interval_wider():
    values = np.repeat(VALUES[0][:10], 8)
    alone = statistics.bootstrap([rows_of(values)], mean)
    together = statistics.bootstrap([add_up(rows_of(values), np.repeat(np.arange(10), 8).tolist())], mean)
    assert together.high - together.low > 2 * (alone.high - alone.low)
