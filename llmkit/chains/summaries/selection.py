"""Which sentences about the parts of a text tell most of the whole.

Each is measured by how much it says of what all of them say (the centroid of MEAD, Radev et al. 2004), and by how
little of that the chosen ones have said already (maximal marginal relevance, Carbonell and Goldstein 1998).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llmkit.chains.tidy import content_words

RELEVANCE = 0.7
"""What a sentence says of the whole counts so much, and what others said before it the rest."""


def select(sentences: Sequence[str], sizes: Sequence[int], room: int) -> list[int]:
    """Give the places, in order, of sentences that have room together; of at least one.

    Args:
        sentences: at least one.
        sizes: how much of the room each takes.
        room: for all that are chosen.
    """
    vectors = _weighted(sentences)
    central = vectors @ _normed(vectors.sum(0, keepdims=True))[0]
    said = np.zeros(len(sentences))
    chosen: list[int] = []
    open_ = dict.fromkeys(range(len(sentences)))
    while open_:
        best = max(open_, key=lambda place: RELEVANCE * central[place] - (1 - RELEVANCE) * said[place])
        del open_[best]
        if sizes[best] <= room:
            room -= sizes[best]
            chosen.append(best)
            said = np.maximum(said, vectors @ vectors[best])
    return sorted(chosen) or [int(central.argmax())]


def _weighted(sentences: Sequence[str]) -> npt.NDArray[np.float64]:
    """Give each sentence's words by how often it and how seldom others have them, [sentences, words], of length 1."""
    counts = [Counter(content_words(sentence)) for sentence in sentences]
    seen_in = Counter(word for count in counts for word in count)
    place = {word: number for number, word in enumerate(seen_in)}
    weights = np.zeros((len(sentences), len(place)))
    for row, count in zip(weights, counts, strict=True):
        for word, times in count.items():
            row[place[word]] = (1 + np.log(times)) * np.log(1 + len(sentences) / seen_in[word])
    return _normed(weights)


def _normed(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    sizes = np.linalg.norm(rows, axis=1, keepdims=True)
    normed: npt.NDArray[np.float64] = rows / np.where(sizes > 0, sizes, 1)
    return normed
