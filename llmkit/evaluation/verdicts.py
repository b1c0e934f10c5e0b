"""The figures of cells, and whether each differs from the baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmkit.evaluation import statistics
from llmkit.evaluation.metrics import Metric
from llmkit.evaluation.statistics import CONFIDENCE, Interval, Rows

MANY = 1_000_000
"""More items than that are as good as none that would do."""


@dataclass(frozen=True)
class Figure:
    """A metric of a cell, with its 95 % interval; `None` where there is only one item."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class Difference:
    """A metric of a cell less that of the baseline, on the same items.

    Attributes:
        value: the difference.
        interval: its 95 % interval, by a paired bootstrap.
        p_value: of McNemar's exact test for a rate, else of a paired permutation test.
        corrected: the p-value after Holm's correction for the number of cells.
        items: how many were compared; clusters, where there are some.
        needed: how many would show this difference four times out of five; infinity if none was seen.
        smallest: the difference that as many as there are would show four times out of five.
        verdict: "better", "worse", "the same" on every item, or "cannot tell with 20; 140 would".
    """

    value: float
    interval: Interval | None
    p_value: float
    corrected: float
    items: int
    needed: float
    smallest: float
    verdict: str = ""

    def is_worse_by(self, margin: float, metric: Metric) -> bool:
        """Return whether the verdict is "worse", with the whole interval worse than the baseline by more than a margin.

        The interval alone is not corrected for the number of cells: one of twenty would be worse by luck.
        """
        if self.interval is None or self.verdict != "worse":
            return False
        return self.interval.high < -margin if metric.better == "more" else self.interval.low > margin


class Sample:
    """What the items of a cell add to the sums of a metric.

    Args:
        metric: of the figure.
        repeats: the rows of each run of the cell, [items, sums]; their mean counts.
        clusters: which items belong together; `None` if each is for itself.
    """

    def __init__(self, metric: Metric, repeats: Sequence[Rows], clusters: Sequence[str] | None) -> None:
        self.metric = metric
        items = np.mean(repeats, axis=0)
        self.is_binary = metric.is_rate and len(repeats) == 1 and clusters is None
        self.rows = statistics.add_up(items, clusters)

    def value(self) -> float:
        """Return the metric of all items."""
        return float(self.metric.aggregate(self.rows.sum(axis=0)))

    def figure(self, seed: int) -> Figure:
        """Return the metric with its interval: Wilson's for a rate, else by a bootstrap."""
        if self.is_binary:
            interval: Interval | None = statistics.wilson(int(self.rows[:, 0].sum()), len(self.rows))
        else:
            interval = statistics.bootstrap([self.rows], self.metric.aggregate, seed=seed)
        return Figure(self.value(), interval)


def compare(sample: Sample, baseline: Sample, seed: int) -> Difference:
    """Return how a cell differs from the baseline; without the correction for other cells, and without a verdict."""
    aggregate, one, other = sample.metric.aggregate, sample.rows, baseline.rows
    interval = statistics.bootstrap([one, other], lambda a, b: aggregate(a) - aggregate(b), seed=seed)
    if sample.is_binary and baseline.is_binary:
        p_value = statistics.mcnemar(one[:, 0] > 0, other[:, 0] > 0)
    else:
        p_value = statistics.exchange_test(one, other, aggregate, seed=seed)
    value, count = sample.value() - baseline.value(), len(one)
    same = bool(np.array_equal(one, other))
    return Difference(value, interval, p_value, p_value, count, math.inf, 0.0, "the same" if same else "")


def deviation(sample: Sample, baseline: Sample) -> float:
    """Return the standard deviation of the items' differences.

    For a metric that is no mean, items have pseudo-values: what each adds to the figure (jackknife, Tukey 1958).
    """
    aggregate, count = sample.metric.aggregate, len(sample.rows)
    if count < 2:
        return math.nan
    whole = sample.value() - baseline.value()
    left = [np.asarray(aggregate(rows.sum(axis=0) - rows)) for rows in (sample.rows, baseline.rows)]
    return float(np.std(count * whole - (count - 1) * (left[0] - left[1]), ddof=1))


def judge(samples: Sequence[Sample], baseline: Sample, seed: int) -> list[Difference]:
    """Return how cells differ from the baseline, with verdicts that hold for all of them together."""
    found = [compare(sample, baseline, seed) for sample in samples]
    corrected = statistics.holm([one.p_value for one in found])
    alpha = (1 - CONFIDENCE) / max(1, len(found))
    judged = []
    for sample, one, p_value in zip(samples, found, corrected, strict=True):
        spread = deviation(sample, baseline)
        known = math.isfinite(spread)
        one = replace(
            one,
            corrected=p_value,
            needed=statistics.items_needed(one.value, spread, alpha) if known else math.inf,
            smallest=statistics.smallest_difference(spread, one.items, alpha) if known else math.inf,
        )
        judged.append(replace(one, verdict=one.verdict or _verdict(one, sample.metric)))
    return judged


def _verdict(one: Difference, metric: Metric) -> str:
    if one.corrected < 1 - CONFIDENCE and one.value:
        if metric.better == "neither":
            return "more" if one.value > 0 else "less"
        return "better" if (one.value > 0) == (metric.better == "more") else "worse"
    if not math.isfinite(one.needed) or one.needed > MANY:
        return f"cannot tell with {one.items}; no difference to be seen"
    return f"cannot tell with {one.items}; {_rounded_up(max(one.needed, one.items + 1)):,} would"


def _rounded_up(number: float) -> int:
    """Return a number rounded up to two digits: it is an estimate."""
    step = int(10 ** max(0, int(math.log10(number)) - 1))
    return math.ceil(number / step) * step
