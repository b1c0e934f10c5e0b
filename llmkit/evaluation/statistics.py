"""Whether a difference is real: intervals and tests for results on the same items.

Every metric is a function of sums over items: the mean of a value, or an F1 of counts. So an item is a row of numbers,
and all methods here work on these rows: resampled for an interval, exchanged between two cells for a test. Items that
share a document are one cluster: their rows are added up, and clusters are drawn instead of items.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Rows = npt.NDArray[np.float64]
"""[items, sums]: what each item adds to the sums of a metric."""
Aggregate = Callable[[Rows], Rows]
"""From sums, [..., sums], to the metric, [...]."""

DRAWS = 10_000
CONFIDENCE = 0.95
POWER = 0.8
"""How often a study of `items_needed` items would find the difference (Cohen 1988)."""
_BLOCK = 2**22  # numbers that are drawn at once


@dataclass(frozen=True)
class Interval:
    """A confidence interval."""

    low: float
    high: float


def mean(sums: Rows) -> Rows:
    """Return values divided by their number: the aggregate of rows (value, 1)."""
    return sums[..., 0] / sums[..., 1]


def add_up(rows: Rows, clusters: Sequence[object] | None) -> Rows:
    """Return a row for each cluster, [clusters, sums], in the order in which they appear."""
    if clusters is None:
        return rows
    numbers: dict[object, int] = {}
    index = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    added = np.zeros((len(numbers), rows.shape[1]))
    np.add.at(added, index, rows)
    return added


def wilson(right: int, rows: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of a rate (Wilson 1927)."""
    found = stats.binomtest(right, rows).proportion_ci(confidence, "wilson")
    return Interval(float(found.low), float(found.high))


def mcnemar(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Return the two-sided p-value of McNemar's exact test: is one right where the other is wrong more often?"""
    gained, lost = int(np.sum(one & ~other)), int(np.sum(~one & other))
    return float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def bootstrap(
    cells: Sequence[Rows],
    statistic: Callable[..., Rows],
    *,
    confidence: float = CONFIDENCE,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval | None:
    """Return the interval of a statistic of cells, whose rows are drawn together; `None` if there is one row.

    A percentile interval is too narrow for few rows; this one is expanded as Student's interval of a mean is wider
    than the normal one (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", section 3.3).

    Args:
        cells: [clusters, sums] of each cell; row i of all cells is the same cluster.
        statistic: of the sums of each cell, [draws, sums], to [draws].
        confidence: of the interval.
        draws: how often rows are drawn.
        seed: of the draws: the same rows have the same interval.
    """
    count = len(cells[0])
    if count < 2:
        return None
    alpha = expanded_alpha(count, 1 - confidence)
    rng = np.random.default_rng(seed)
    found: list[Rows] = []
    for size in _blocks(draws, count):
        drawn = rng.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)
        found.append(statistic(*(times @ rows for rows in cells)))  # how often each row was drawn: memory stays bounded
    low, high = np.quantile(np.concatenate(found), [alpha / 2, 1 - alpha / 2])
    return Interval(float(low), float(high))


def expanded_alpha(count: int, alpha: float) -> float:
    """Return the share outside a percentile interval of `count` rows that covers as Student's interval does."""
    width = math.sqrt(count / (count - 1)) * float(stats.t.ppf(1 - alpha / 2, count - 1))
    return 2 * float(stats.norm.cdf(-width))


def exchange_test(one: Rows, other: Rows, aggregate: Aggregate, *, draws: int = DRAWS, seed: int = 0) -> float:
    """Return the two-sided p-value of a paired permutation test: rows of two cells are exchanged at random.

    Under the null hypothesis it does not matter which cell a row is from (Fisher 1935). The observed order counts as
    one of the draws, so that the p-value is never 0 (Phipson & Smyth 2010).
    """
    observed = abs(float(aggregate(one.sum(axis=0)) - aggregate(other.sum(axis=0))))
    rng = np.random.default_rng(seed)
    total, difference = one.sum(axis=0) + other.sum(axis=0), one - other
    extreme = 0
    for size in _blocks(draws, len(one)):
        signs = rng.integers(0, 2, (size, len(one))) * 2.0 - 1
        moved = signs @ difference
        shift = aggregate((total + moved) / 2) - aggregate((total - moved) / 2)
        extreme += int(np.sum(np.abs(shift) >= observed - 1e-12))
    return (1 + extreme) / (1 + draws)


def _blocks(draws: int, count: int) -> Iterator[int]:
    """Yield how many draws to make at once, so that memory is bounded."""
    size = max(1, _BLOCK // max(count, 1))
    for start in range(0, draws, size):
        yield min(size, draws - start)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number: all false positives together have the level (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def items_needed(difference: float, deviation: float, alpha: float = 1 - CONFIDENCE) -> float:
    """Return how many items would show a difference with a power of 0.8; infinity if there is none.

    Args:
        difference: that was seen, per item.
        deviation: the standard deviation of the items' differences.
        alpha: the level of the two-sided test.
    """
    if difference == 0:
        return math.inf
    return max(least_items(alpha), (_quantiles(alpha) * deviation / difference) ** 2)


def least_items(alpha: float) -> int:
    """Return the fewest items with which the paired tests can show anything: n have no p-value below 2 / 2^n."""
    return math.ceil(math.log2(2 / alpha))


def smallest_difference(deviation: float, items: int, alpha: float = 1 - CONFIDENCE) -> float:
    """Return the difference that so many items show with a power of 0.8."""
    return _quantiles(alpha) * deviation / math.sqrt(items)


def _quantiles(alpha: float) -> float:
    return float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(POWER))
