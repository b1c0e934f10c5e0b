"""Which sentences of some documents matter for a question.

Sentences are ranked by their words (BM25) and, with an embedder, by their meaning too; the two rankings are combined by
reciprocal rank fusion. What was computed for a document is kept, so that a second question about it is cheap.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from langchain_core.embeddings import Embeddings

from llmkit.errors import InputError
from llmkit.text.ranking import Bm25, Matrix, descending, reciprocal_rank_fusion, unit_rows
from llmkit.text.segmentation import Span, passages, sentences
from llmkit.text.words import terms

MAX_CHARACTERS = 400
"""The longest sentence, in characters; a longer one is split."""


@dataclass(frozen=True, slots=True)
class RetrievedSentence(Span):
    """A sentence that matters, of the document with an index: `documents[document][start:end] == text`."""

    document: int
    text: str


@dataclass(frozen=True)
class _IndexedDocument:
    """A document's sentences, the terms of each and, with an embedder, their unit vectors [sentences, dimensions]."""

    spans: list[Span]
    terms: list[list[str]]
    vectors: Matrix | None


class SentenceRetriever:
    """Finds the sentences that matter for a question. May be used by several threads.

    Args:
        embedder: any LangChain `Embeddings`, such as `llmkit.models.embeddings.default_embedder()`; without one, only
            words count.
        cache_size: how many documents are kept; those of the latest question are kept in any case.
    """

    def __init__(self, embedder: Embeddings | None = None, cache_size: int = 64) -> None:
        if embedder is not None and not isinstance(embedder, Embeddings):
            raise InputError(f"embedder is {type(embedder).__name__}, but must be a LangChain Embeddings object")
        self.embedder = embedder
        self._cache_size = cache_size
        self._cache: OrderedDict[str, _IndexedDocument] = OrderedDict()
        self._lock = threading.Lock()

    def retrieve(self, question: str, documents: Sequence[str], top_k: int) -> list[RetrievedSentence]:
        """Return up to `top_k` sentences, the most relevant first; equally relevant ones are in source order.

        Of equal sentences, as in a document given twice, the first one is returned.
        """
        indexed = [self._index(text, max(self._cache_size, len(documents))) for text in documents]
        first: dict[str, tuple[int, int]] = {}
        for number, document in enumerate(indexed):
            for index, span in enumerate(document.spans):
                first.setdefault(span.of(documents[number]), (number, index))
        if not first:
            return []
        places = list(first.values())
        rankings = [Bm25([indexed[number].terms[index] for number, index in places]).scores(terms(question))]
        if self.embedder is not None:
            query = unit_rows([self.embedder.embed_query(question)])[0]
            similar = [() if document.vectors is None else document.vectors @ query for document in indexed]
            rankings.append(np.array([similar[number][index] for number, index in places]))
        found = []
        for best in descending(reciprocal_rank_fusion(*rankings))[:top_k]:
            number, index = places[best]
            span = indexed[number].spans[index]
            found.append(RetrievedSentence(span.start, span.end, number, span.of(documents[number])))
        return found

    def _index(self, text: str, cache_size: int) -> _IndexedDocument:
        with self._lock:  # a batch of questions comes in threads: only the first one indexes the document
            document = self._cache.get(text)
            if document is None:
                spans = split_sentences(text)
                texts = [span.of(text) for span in spans]
                embedded = self.embedder.embed_documents(texts) if self.embedder is not None and texts else None
                vectors = None if embedded is None else unit_rows(embedded)
                document = self._cache[text] = _IndexedDocument(spans, [terms(one) for one in texts], vectors)
            self._cache.move_to_end(text)
            while len(self._cache) > cache_size:
                self._cache.popitem(last=False)
        return document


class _CharacterCounter:
    """A `TokenCounter` whose tokens are characters."""

    def get_num_tokens(self, text: str) -> int:
        return len(text)


def split_sentences(text: str) -> list[Span]:
    """Split a text into sentences of at most `MAX_CHARACTERS`."""
    found = []
    for span in sentences(text):
        if span.end - span.start <= MAX_CHARACTERS:
            found.append(span)
            continue
        for part in passages(span.of(text), _CharacterCounter(), MAX_CHARACTERS):
            if stripped := part.text.strip():
                start = span.start + part.start + part.text.index(stripped)
                found.append(Span(start, start + len(stripped)))
    return found
