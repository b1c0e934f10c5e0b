"""Conformal prediction: sets with a coverage, and a threshold with an expected loss; neither needs a distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from llmkit.chains.guarantees.guarantee import Guarantee
from llmkit.chains.guarantees.thresholds import ShareOfFalse, Target, changes_of


def rows_for_coverage(coverage: float) -> int:
    """Return with how few rows sets of this coverage need not have every label."""
    return math.ceil(coverage / (1 - coverage) - 1e-9)


def set_threshold(probabilities: Any, coverage: float) -> float:
    """Return the least probability of a label in a set, so that sets have the true label with this probability.

    Split conformal prediction (Vovk et al. 2005) with the least ambiguous sets (Sadinle et al. 2019): of n rows, the
    probability of the true label with rank ceil((n + 1) coverage) from the highest. If the new text and the rows are
    exchangeable, its own probability is no lower than this with at least the coverage, as each of the n + 1 ranks is as
    likely. The probability is over the draw of the rows and of the text together.

    Args:
        probabilities: of the true label of each row; where a text has several, of the least likely one.
        coverage: the probability with which the true labels are in the set.
    """
    values = np.sort(np.asarray(probabilities, dtype=np.float64))[::-1]
    rank = math.ceil((len(values) + 1) * coverage - 1e-9)
    return 0.0 if rank > len(values) else float(values[rank - 1])


def control_expected_share(texts: Sequence[ShareOfFalse], target: Target) -> Guarantee:
    """Return the lowest threshold with which the expected share of false items is at most that of the target.

    Conformal risk control (Angelopoulos et al. 2022). The loss of a text is the share of false items among those found,
    and 0 where nothing is found. It is not monotone: a true item that is added lowers it. So its running maximum takes
    its place, from the highest threshold down, which is; the share itself is never more. The threshold is the lowest
    one with (sum of the losses + 1) / (rows + 1) at most the error. Then the expected loss of another text,
    exchangeable with the rows, is at most the error.
    """
    error, unit = target.error, target.unit
    values, changes = changes_of([(text.thresholds, np.maximum.accumulate(text.losses)) for text in texts])
    sums = np.append(0.0, np.cumsum(changes))
    allowed = (sums + 1) / (len(texts) + 1) <= error + 1e-12
    count = int(np.cumprod(allowed).sum()) - 1  # so many of the changes may be above the threshold
    if count < 0:
        needed = math.ceil(1 / error - 1e-9) - 1
        reason = f"with {len(texts)} rows the smallest error that can be guaranteed is 1 / {len(texts) + 1}"
        return Guarantee(error, None, len(texts), None, 0, 0.0, unit, reason, needed)
    threshold = target.lowest if count == len(values) else float(np.nextafter(values[count], np.inf))
    answered = [text for text in texts if len(text.thresholds) and text.thresholds[0] >= threshold]
    wrong = math.fsum(text.losses[np.count_nonzero(text.thresholds >= threshold) - 1] for text in answered)
    if not answered:
        reason = f"even the {unit} with the highest scores are wrong too often"
        return Guarantee(error, None, len(texts), None, 0, 0.0, unit, reason)
    return Guarantee(error, None, len(texts), threshold, len(answered), wrong, unit)
