"""Probabilities of spans of which no two overlap: a semi-Markov model of a text (Sarawagi & Cohen 2004).

An analysis of a text is a set of spans that do not overlap. Its log-probability is the sum of their log-odds, up to a
constant. So a span that is inside another one competes with it, and the probability of a span is the sum over all
analyses that have it: its marginal, by the forward-backward algorithm. Of spans that overlap nothing, it is the sigmoid
of the log-odds. (https://papers.nips.cc/paper/2648-semi-markov-conditional-random-fields-for-information-extraction)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from llmkit.text.segmentation import Span

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class SpanLattice:
    """Spans of texts, divided into groups that do not overlap one another, whose borders are numbered.

    Attributes:
        starts, ends: the border that each span begins and ends at, [spans]; the borders of all groups are one sequence.
        first, last: the first and the last border of each group, [groups], by falling number of borders.
        width: the most borders that a span goes over.
    """

    starts: Places
    ends: Places
    first: Places
    last: Places
    width: int

    @classmethod
    def build(cls, texts: Sequence[Sequence[Span]]) -> SpanLattice:
        """Return the lattice of the distinct spans of each text; they keep their order."""
        groups: list[tuple[list[int], list[int]]] = []  # borders, and places of the spans
        flat = [span for spans in texts for span in spans]
        offset = 0
        for spans in texts:
            reached = -1
            for place in sorted(range(len(spans)), key=lambda at: (spans[at].start, spans[at].end)):
                if spans[place].start >= reached:
                    groups.append(([], []))
                reached = max(reached, spans[place].end)
                groups[-1][0].extend((spans[place].start, spans[place].end))
                groups[-1][1].append(offset + place)
            offset += len(spans)
        groups = sorted(((sorted(set(borders)), places) for borders, places in groups), key=lambda one: -len(one[0]))
        first = list(accumulate((len(borders) for borders, _ in groups), initial=0))
        starts, ends = np.zeros(len(flat), dtype=np.intp), np.zeros(len(flat), dtype=np.intp)
        for (borders, places), begin in zip(groups, first, strict=False):
            for place in places:
                starts[place] = begin + bisect_left(borders, flat[place].start)
                ends[place] = begin + bisect_left(borders, flat[place].end)
        width = int((ends - starts).max(initial=1))
        return cls(starts, ends, np.array(first[:-1], dtype=np.intp), np.array(first[1:], dtype=np.intp) - 1, width)

    def log_marginals(self, log_odds: Floats) -> tuple[float, Floats]:
        """Return the log of the sum over all analyses, and the log-probability of each span, [spans]."""
        if not len(log_odds):
            return 0.0, np.zeros(0)
        forward = self._sums(log_odds, self.starts, self.ends, self.first, 1)
        backward = self._sums(log_odds, self.ends, self.starts, self.last, -1)
        total = np.empty(len(forward))
        for begin, end in zip(self.first, self.last, strict=True):
            total[begin : end + 1] = forward[end]
        marginals = forward[self.starts] + log_odds + backward[self.ends] - total[self.starts]
        return float(forward[self.last].sum()), np.minimum(marginals, 0.0)

    def _sums(self, log_odds: Floats, origins: Places, targets: Places, begin: Places, step: int) -> Floats:
        """Return the log-sum over the analyses of what lies between the beginning and each border."""
        count = int(self.last.max()) + 1
        arriving = np.full((count, self.width + 1), -np.inf)  # by how many borders a span goes over
        arriving[targets, np.abs(targets - origins)] = log_odds
        sums = np.full(count, -np.inf)
        sums[begin] = 0.0
        sizes = self.last - self.first
        for distance in range(1, int(sizes.max()) + 1):
            at = begin[sizes >= distance] + step * distance
            widths = np.arange(1, min(distance, self.width) + 1)
            before = sums[at[:, None] - step * widths]
            spans = before + arriving[at[:, None], widths]
            sums[at] = np.logaddexp(np.logaddexp.reduce(spans, axis=1), before[:, 0])  # or no span ends here
        return sums
