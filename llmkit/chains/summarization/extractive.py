"""Which sentences about the parts of a text tell most of the whole.

Each is measured by how much it says of what all of them say (the centroid of MEAD, Radev et al. 2004), and by how
little of that the chosen ones have said already (maximal marginal relevance, Carbonell and Goldstein 1998).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from llmkit.chains.postprocess import content_words
from llmkit.text.words import unspaced

RELEVANCE = 0.7
"""What a sentence says of the whole counts so much, and what others said before it the rest."""


def select(sentences: Sequence[str], sizes: Sequence[int], room: int) -> list[int]:
    """Give the places, in order, of sentences that have room together; of the best one, if none has room.

    Args:
        sentences: at least one.
        sizes: how much of the room each takes.
        room: for all that are chosen.
    """
    vectors = _weighted(sentences)
    centre = vectors.sum(0)
    central = vectors @ (centre / (np.linalg.norm(centre) or 1))
    said = np.zeros(len(sentences))
    chosen: list[int] = []
    left = [place for place, size in enumerate(sizes) if size <= room]
    while left:
        best = max(left, key=lambda place: RELEVANCE * central[place] - (1 - RELEVANCE) * said[place])
        chosen.append(best)
        room -= sizes[best]
        left = [place for place in left if place != best and sizes[place] <= room]
        said = np.maximum(said, vectors @ vectors[[best]].toarray()[0])
    return sorted(chosen) or [int(central.argmax())]


def _weighted(sentences: Sequence[str]) -> Any:
    """Give each sentence's words by how often it and how seldom others have them, [sentences, words], of length 1."""
    counts = [Counter([*content_words(sentence), *unspaced(sentence)]) for sentence in sentences]
    seen_in = Counter(word for count in counts for word in count)
    place = {word: number for number, word in enumerate(seen_in)}
    weights: list[float] = []
    columns: list[int] = []
    ends = [0]
    for count in counts:
        row = np.array([(1 + np.log(n)) * np.log(1 + len(counts) / seen_in[word]) for word, n in count.items()])
        weights.extend(row / (np.linalg.norm(row) or 1))
        columns.extend(place[word] for word in count)
        ends.append(len(columns))
    return csr_array((weights, columns, ends), shape=(len(counts), max(len(place), 1)))
