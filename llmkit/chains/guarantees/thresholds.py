"""The threshold above which at most a given share of answers is wrong, with a given confidence.

Learn-then-Test (Angelopoulos et al. 2021) with a fixed sequence of hypotheses. The rows are ranked by score, from the
highest. The k-th hypothesis is that of answers above the score of row k + 1 more than α are wrong. From rank
`first_rank` on, which depends on the number of rows alone, the hypotheses are tested in order, each with the full level
δ = 1 - confidence, until one is not rejected; the last one that was rejected gives the threshold.

Why the guarantee holds, although the thresholds are scores of the rows themselves. Rows are independent and drawn from
one distribution, and scores have no ties. Let R(t) be the probability that an answer above t is wrong, and (b, c) the
open intervals that make up {t: R(t) > α}. At their ends R = α; so of rows above an end, and of rows between two ends,
the expected share of wrong ones is exactly α. A wrong result is a threshold within such an interval. Take the first
interval that the sequence enters: which one that is depends only on how many rows lie above each end. Given these
counts, the wrong rows above c are Binomial(count, α), and those between c and the rank's score have a risk above α: the
binomial p-value at the first rank within the interval is at most δ with a probability of at most δ. A threshold within
any later interval needs a rejection in this one, too. R need not be monotone. With ties, the wrong rows of a tie come
first, than which no random order can do worse, and thresholds do not divide a tie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.guarantees.guarantee import DEFAULT_CONFIDENCE, Guarantee, Unit, must_abstain

Row = NDArray[np.float64]

MAX_ROWS_NEEDED = 1_000_000
"""More rows than this are not worth a number: the share of wrong answers is too close to the error."""
FIRST_SHARE = 1 / 3
"""The sequence begins with this share of the rows. With fewer, one wrong row near the top would end it; of 1/5, 1/3 and
1/2 this answers most in simulations with 100 to 500 rows."""


@dataclass(frozen=True)
class Target:
    """What is to be guaranteed.

    Attributes:
        error: the largest share of what is answered that may be wrong.
        confidence: the probability, over the draw of the rows, that this is so.
        unit: what is answered.
        lowest: the threshold where all can be answered.
    """

    error: float
    confidence: float = DEFAULT_CONFIDENCE
    unit: Unit = "answers"
    lowest: float = 0.0

    @property
    def least_rows(self) -> int:
        """How many answers, all of them right, are enough: (1 - error)^rows <= 1 - confidence."""
        return math.ceil(math.log(1 - self.confidence) / math.log(1 - self.error) - 1e-9)

    def first_rank(self, rows: int) -> int:
        """Return the rank with which the sequence begins, from the number of rows alone."""
        return max(self.least_rows, math.ceil(rows * FIRST_SHARE))


@dataclass(frozen=True)
class ShareOfFalse:
    """How the share of false items of a text depends on the threshold.

    Attributes:
        thresholds: at which it changes, descending; the first is the text's highest score.
        losses: the share of false items, from 0 to 1, with each of these thresholds.
    """

    thresholds: Row
    losses: Row

    @classmethod
    def from_items(cls, scores: Any, is_false: Any) -> ShareOfFalse:
        """Return the share of false items among those with the highest scores."""
        scores, is_false = np.asarray(scores, dtype=np.float64), np.asarray(is_false, dtype=np.float64)
        order = np.lexsort((-is_false, -scores))
        ordered = scores[order]
        shares = np.cumsum(is_false[order]) / np.arange(1, len(order) + 1)
        ends = np.append(ordered[1:] < ordered[:-1], True)[: len(ordered)]
        return cls(ordered[ends], shares[ends])


def clopper_pearson(wrong: int, answered: int, confidence: float) -> float:
    """Return the exact upper bound of a share of which `wrong` of `answered` were seen (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    return 1.0 if wrong >= answered else float(beta.ppf(confidence, wrong + 1, answered - wrong))


def binomial_p_values(wrong: Any, answered: Any, error: float) -> Row:
    """Return the probability of at most so many wrong answers if the share of wrong ones is `error`."""
    from scipy.stats import binom

    return np.asarray(binom.cdf(wrong, answered, error), dtype=np.float64)


def bounded_p_values(total: Any, answered: Any, error: float) -> Row:
    """Return the same for losses between 0 and 1 with this total (Hoeffding and Bentkus; Bates et al. 2021, 3.1)."""
    total, answered = np.asarray(total, dtype=np.float64), np.asarray(answered)
    mean = np.minimum(total / answered, error)
    with np.errstate(divide="ignore", invalid="ignore"):
        divergence = np.where(mean > 0, mean * np.log(mean / error), 0.0)
        divergence += np.where(mean < 1, (1 - mean) * np.log((1 - mean) / (1 - error)), 0.0)
    bentkus = math.e * binomial_p_values(np.ceil(total - 1e-9), answered, error)
    return np.asarray(np.minimum(np.exp(-answered * divergence), bentkus), dtype=np.float64)


def control_error(scores: Any, wrong: Any, target: Target) -> Guarantee:
    """Return the lowest threshold with which answers are wrong no more often than the target says.

    Args:
        scores: of the answer to each row; minus infinity if there is none, whatever the threshold.
        wrong: whether each answer is wrong.
        target: what is to be guaranteed.
    """
    scores, wrong = np.asarray(scores, dtype=np.float64), np.asarray(wrong, dtype=bool)
    order = np.lexsort((~wrong, -scores))
    order = order[np.isfinite(scores[order])]
    totals = np.cumsum(wrong[order]).astype(np.float64)
    p_values = binomial_p_values(totals, np.arange(1, len(order) + 1), target.error)
    found = _guarantee(len(scores), scores[order], totals, p_values, target)
    if found.holds or not len(order):
        return found
    return replace(found, must_abstain=must_abstain(float(wrong[order].mean()), target.error))


def control_share(texts: Sequence[ShareOfFalse], target: Target) -> Guarantee:
    """Return the lowest threshold with which the mean share of false items is no larger than the target says.

    The mean is over the texts in which anything is found. Texts are ranked by their highest score. As the losses of one
    text change with the threshold, the proof above needs one assumption here: the expected share does not fall to
    the error again below a threshold at which it exceeds it.
    """
    highest = np.sort([text.thresholds[0] for text in texts if len(text.thresholds)])[::-1]
    below = np.append(highest[1:], -np.inf)
    values, changes = changes_of([(text.thresholds, text.losses) for text in texts])
    sums = np.append(0.0, np.cumsum(changes))
    totals = np.round(np.maximum(sums[np.searchsorted(-values, -below, side="left")], 0.0), 9)  # in any order of rows
    p_values = bounded_p_values(totals, np.arange(1, len(highest) + 1), target.error)
    return _guarantee(len(texts), highest, totals, p_values, target)


def changes_of(paths: Sequence[tuple[Row, Row]]) -> tuple[Row, Row]:
    """Return the thresholds at which any text's loss changes, descending, and by how much.

    Args:
        paths: of each text, its thresholds, descending, and its losses.
    """
    values = np.concatenate([np.empty(0), *(thresholds for thresholds, _ in paths)])
    losses = np.concatenate([np.empty(0), *(losses for _, losses in paths)])
    changes = np.diff(losses, prepend=0.0)
    firsts = np.cumsum([0, *(len(thresholds) for thresholds, _ in paths)])[:-1]
    firsts = firsts[firsts < len(losses)]
    changes[firsts] = losses[firsts]
    order = np.lexsort((-changes, -values))
    return values[order], changes[order]


def _guarantee(rows: int, scores: Row, totals: Row, p_values: Row, target: Target) -> Guarantee:
    """Return the guarantee at the last rank of the sequence, from descending scores and the losses up to each rank."""
    first, count = target.first_rank(rows), len(scores)
    rejected = int(np.cumprod(p_values[first - 1 :] <= 1 - target.confidence + 1e-12).sum())
    ends = np.append(scores[1:] < scores[:-1], True)[:count]
    ranks = [rank for rank in range(first, first + rejected) if ends[rank - 1]]
    if ranks:
        rank = ranks[-1]
        threshold = target.lowest if rank == count else float(np.nextafter(scores[rank], np.inf))
        wrong = float(totals[rank - 1])
        return Guarantee(target.error, target.confidence, rows, threshold, rank, wrong, target.unit)
    wrong = float(totals[-1]) if count else 0.0
    reason, needed = _shortfall(rows, totals, target)
    return Guarantee(target.error, target.confidence, rows, None, count, wrong, target.unit, reason, needed)


def _shortfall(rows: int, totals: Row, target: Target) -> tuple[str, int | None]:
    """Return why nothing is guaranteed, and about how many rows would be needed."""
    least, count = target.least_rows, len(totals)
    if count < least:
        reason = f"{count} of {rows} rows can be answered; at least {least} answers are needed, all of them right"
        return reason, max(least, math.ceil(least * rows / max(count, 1)))
    first = min(target.first_rank(rows), count)
    shares = totals / np.arange(1, count + 1)
    best = int(np.argmin(shares[first - 1 :])) + first
    share = float(shares[best - 1])
    reason = f"of the {target.unit} to the {best} rows with the highest scores {100 * share:.3g} % are wrong"
    if share >= target.error:
        return f"{reason}, so that no threshold is known to reach {100 * target.error:.3g} %", None
    sizes = np.unique(np.geomspace(least, MAX_ROWS_NEEDED, 400).astype(int))
    # as many answers as up to the first rank, with one standard deviation more of wrong ones than here
    wrong = np.ceil(share * sizes + np.sqrt(share * (1 - share) * sizes))
    enough = sizes[binomial_p_values(wrong, sizes, target.error) <= 1 - target.confidence]
    needed = max(math.ceil(float(enough[0]) / FIRST_SHARE), rows + math.ceil(rows / 4)) if len(enough) else None
    return f"{reason}, too close to {100 * target.error:.3g} % for so few rows", needed
