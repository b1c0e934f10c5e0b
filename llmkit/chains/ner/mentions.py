"""How likely the model is to quote a candidate after the text, whatever it says of it.

The prompt goes on with a quoted part of the text, so the likelihood of what is quoted tells where a name ends: after
`"New` a model that has read "New York" expects ` York`, and no end of the quotation. It comes with the likelihoods of
the phrases (see `entity_typing`), and costs nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.calibration import Matrix
from llmkit.text.segmentation import Span

MENTIONS = ("mention", "mention by length", "longer mention", "whole mention")
"""The columns of `mentions`."""
_LEAST, _MOST = -20.0, 10.0


def mentions(candidates: Sequence[Span], log_likelihoods: NDArray[np.float64]) -> Matrix:
    """Return the evidence of `MENTIONS` for candidates, [candidates, mentions].

    It is the log-likelihood of each, in tens of nats; the same by the root of its length; how much likelier the
    likeliest longer candidate with the same first word is; and how much likelier it is than the likeliest shorter one.
    The last two are from 0, also where there is no such candidate, to 3.
    """
    longer, shorter = np.full(len(candidates), -np.inf), np.full(len(candidates), -np.inf)
    starts: dict[int, list[int]] = {}
    for place, candidate in enumerate(candidates):
        starts.setdefault(candidate.start, []).append(place)
    for places in starts.values():
        row = np.array(sorted(places, key=lambda place: candidates[place].end))
        reached = np.maximum.accumulate(log_likelihoods[row])
        shorter[row[1:]] = reached[:-1]
        longer[row[:-1]] = np.maximum.accumulate(log_likelihoods[row[::-1]])[::-1][1:]
    lengths = np.array([candidate.end - candidate.start for candidate in candidates], dtype=np.float64)
    whole = np.where(np.isinf(shorter), -np.inf, log_likelihoods - shorter)
    return np.column_stack(
        [
            log_likelihoods / 10,
            log_likelihoods / np.sqrt(lengths) / 5,
            *((np.clip(one, _LEAST, _MOST) - _LEAST) / 10 for one in (longer - log_likelihoods, whole)),
        ]
    )
