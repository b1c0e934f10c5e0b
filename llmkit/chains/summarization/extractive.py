"""Which sentences of the summaries of parts say most about the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from llmkit.chains.postprocess import content_words
from llmkit.text.ranking import maximal_marginal_relevance
from llmkit.text.words import unspaced


def select_sentences(sentences: Sequence[str], sizes: Sequence[float], budget: int, relevance: float) -> list[int]:
    """Return the indices, in order, of sentences that fit the budget together; of the best one, if none fits.

    A sentence is relevant if it is close to the centroid of all (MEAD, Radev et al. 2004); those that are selected
    differ from each other (maximal marginal relevance, Carbonell & Goldstein 1998). The weight of relevance against
    novelty is from 0 to 1.
    """
    vectors = _tf_idf(sentences)
    centroid = vectors.sum(0)
    central = vectors @ (centroid / (np.linalg.norm(centroid) or 1))
    selected = maximal_marginal_relevance(
        central, lambda index: vectors @ vectors[[index]].toarray()[0], relevance, sizes=sizes, budget=budget
    )
    return sorted(selected) or [int(central.argmax())]


def _tf_idf(sentences: Sequence[str]) -> Any:
    """Return a sparse matrix [sentences, words] of rows of length 1, weighted by tf-idf."""
    from scipy.sparse import csr_array

    counts = [Counter([*content_words(sentence), *unspaced(sentence)]) for sentence in sentences]
    document_counts = Counter(word for count in counts for word in count)
    column_of = {word: column for column, word in enumerate(document_counts)}
    weights: list[float] = []
    for count in counts:
        row = np.array([(1 + np.log(n)) * np.log(1 + len(counts) / document_counts[word]) for word, n in count.items()])
        weights.extend(row / (np.linalg.norm(row) or 1))
    columns = [column_of[word] for count in counts for word in count]
    row_ends = np.cumsum([0, *map(len, counts)])
    return csr_array((weights, columns, row_ends), shape=(len(counts), max(len(column_of), 1)))
