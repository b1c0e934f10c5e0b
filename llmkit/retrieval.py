"""Which sentences of some documents matter for a question.

By the words they share with it (BM25) and, with an embedder, by their sense too: the two rankings are fused by their
ranks (reciprocal rank fusion, Cormack et al. 2009). What was read of a document is kept, so that the next question
about it costs no more than a comparison.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from llmkit.errors import InputError
from llmkit.text.ranking import Bm25, descending, reciprocal_rank_fusion, unit_rows
from llmkit.text.segmentation import Span, passages, sentences
from llmkit.text.words import terms

LONGEST = 400
"""Characters of a sentence; a longer one is cut at a good place, as if it were several."""

Vectors = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hit(Span):
    """A sentence that matters.

    Attributes:
        document: which of the documents it stands in, from 0.
        text: what stands there: `documents[hit.document][hit.start:hit.end] == hit.text`.
    """

    document: int
    text: str


@dataclass(frozen=True)
class _Read:
    """A document's sentences, their words, and their embeddings, of length 1, where there is an embedder."""

    spans: list[Span]
    words: list[list[str]]
    vectors: Vectors | None


class Retriever:
    """Finds the sentences that matter for a question. May be used by several threads.

    Args:
        embedder: any LangChain `Embeddings`, such as `llmkit.models.embeddings.default_embedder()`; without one, only
            words count.
        keep: how many documents are remembered; those of the last question are in any case.
    """

    def __init__(self, embedder: Embeddings | None = None, keep: int = 64) -> None:
        if embedder is not None and not isinstance(embedder, Embeddings):
            raise InputError(f"embedder is {type(embedder).__name__}, but must be a LangChain Embeddings object")
        self.embedder = embedder
        self._keep = keep
        self._known: OrderedDict[str, _Read] = OrderedDict()
        self._lock = threading.Lock()

    def best(self, question: str, documents: Sequence[str], count: int) -> list[Hit]:
        """Give up to so many sentences, the best first; equals come as they stand.

        A sentence that stands in several places, as in a document given twice, is found once: at the first.
        """
        read = [self._read(text, max(self._keep, len(documents))) for text in documents]
        first: dict[str, tuple[int, int]] = {}
        for number, each in enumerate(read):
            for at, span in enumerate(each.spans):
                first.setdefault(span.of(documents[number]), (number, at))
        if not first:
            return []
        places = list(first.values())
        rankings = [Bm25([read[number].words[at] for number, at in places]).scores(terms(question))]
        if self.embedder is not None:
            asked = unit_rows([self.embedder.embed_query(question)])[0]
            near = [() if each.vectors is None else each.vectors @ asked for each in read]
            rankings.append(np.array([near[number][at] for number, at in places]))
        best = [places[place] for place in descending(reciprocal_rank_fusion(*rankings))[:count]]
        return [_hit(documents, number, read[number].spans[at]) for number, at in best]

    def _read(self, text: str, keep: int) -> _Read:
        with self._lock:  # a batch of questions comes in threads: only the first reads the document
            known = self._known.get(text)
            if known is None:
                spans = pieces(text)
                told = [span.of(text) for span in spans]
                vectors = unit_rows(self.embedder.embed_documents(told)) if self.embedder is not None and told else None
                known = self._known[text] = _Read(spans, [terms(each) for each in told], vectors)
            self._known.move_to_end(text)
            while len(self._known) > keep:
                self._known.popitem(last=False)
        return known


class _Characters:
    """Counts characters, for those who cut by length."""

    def get_num_tokens(self, text: str) -> int:
        return len(text)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [(place, place + 1) for place in range(len(text))]


def pieces(text: str) -> list[Span]:
    """Give the sentences of a text, long ones in parts."""
    found = []
    for span in sentences(text):
        if span.end - span.start <= LONGEST:
            found.append(span)
            continue
        for part in passages(span.of(text), _Characters(), LONGEST):
            if stripped := part.text.strip():
                start = span.start + part.start + part.text.index(stripped)
                found.append(Span(start, start + len(stripped)))
    return found


def _hit(documents: Sequence[str], number: int, span: Span) -> Hit:
    return Hit(span.start, span.end, number, span.of(documents[number]))
