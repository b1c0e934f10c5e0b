"""Selectors that rank by similarity to the input: of words, of meaning, and of meaning without repetition."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from langchain_core.embeddings import Embeddings

from llmkit.errors import PromptError, kind_of
from llmkit.prompts.selectors import ExampleSelector
from llmkit.prompts.validation import SHARE, Example, validate
from llmkit.text.ranking import Bm25, Matrix, Vector, descending, maximal_marginal_relevance, unit_rows
from llmkit.text.words import terms

DIVERSE_AMONG = 200  # so many of the most similar are ordered for diversity; the rest follow by similarity
_lock = threading.Lock()


class LexicalExamples(ExampleSelector):
    """Ranks examples by the words they share with the input (BM25), without a second model.

    Scripts without spaces are compared character by character (see `llmkit.text.words.terms`).
    """

    def __init__(self, k: int | None = None, *, examples: Iterable[Example] = ()) -> None:
        self._index = (0, Bm25([]))  # how many examples are indexed, and the index
        super().__init__(k, examples=examples)

    def with_examples(self, examples: Iterable[Example], fields: Sequence[str] | None = None) -> Self:
        """Return a selector with the same settings for other examples."""
        other = copy.copy(self)
        other._index = (0, Bm25([]))
        return super(LexicalExamples, other).with_examples(examples, fields)

    def rank(self, text: str) -> Sequence[int]:
        """Return the indices by descending BM25 score; equals keep the order given."""
        return descending(self._current_index().scores(terms(text)))

    def _current_index(self) -> Bm25:
        with _lock:
            if self._index[0] != len(self.examples):
                texts = [terms(example["input"]) for example in self.examples]
                self._index = (len(texts), Bm25(texts))
            return self._index[1]


class SimilarExamples(ExampleSelector):
    """Ranks examples by the cosine similarity of their inputs' embeddings to the input's.

    Each example is embedded once; selectors made by `with_examples` share the embeddings.

    Args:
        embedder: any LangChain `Embeddings`; by default the catalog's `minilm-l6` (English, 256 tokens of a text).
    """

    def __init__(
        self, k: int | None = 4, embedder: Embeddings | None = None, *, examples: Iterable[Example] = ()
    ) -> None:
        if embedder is not None and not isinstance(embedder, Embeddings):
            raise PromptError(f"embedder is {kind_of(embedder)}, but must be a LangChain Embeddings object")
        self.embedder = embedder
        self._embeddings: dict[str, Vector] = {}
        super().__init__(k, examples=examples)

    def settings(self) -> tuple[Any, ...]:
        """Return `k` and the embedder."""
        return (self.k, self.embedder)

    def rank(self, text: str) -> Sequence[int]:
        """Return the indices by descending similarity; equals keep the order given."""
        return descending(self._similarities(text)[0]) if self.examples else ()

    def _similarities(self, text: str) -> tuple[Vector, Matrix]:
        """Return the examples' similarities to a text, [examples], and embeddings, [examples, dimensions]."""
        embedder = self.embedder
        if embedder is None:
            from llmkit.models.embeddings import default_embedder

            embedder = default_embedder()
        texts = [example["input"] for example in self.examples]
        with _lock:  # a batch of inputs comes in threads: only the first embeds the examples
            new = list(dict.fromkeys(text for text in texts if text not in self._embeddings))
            if new:
                self._embeddings.update(zip(new, unit_rows(embedder.embed_documents(new)), strict=True))
        vectors = np.stack([self._embeddings[text] for text in texts])
        return vectors @ unit_rows([embedder.embed_query(text)])[0], vectors


class DiverseExamples(SimilarExamples):
    """Ranks examples that are similar to the input, but not to one another.

    Maximal marginal relevance (Carbonell & Goldstein 1998): the next example is the one with the greatest
    `relevance` * similarity to the input - (1 - `relevance`) * largest similarity to those before it.

    Args:
        relevance: from 0, only diversity, to 1, only similarity.
    """

    def __init__(
        self,
        k: int | None = 4,
        embedder: Embeddings | None = None,
        *,
        relevance: float = 0.5,
        examples: Iterable[Example] = (),
    ) -> None:
        self.relevance = validate(SHARE, relevance, "relevance")
        super().__init__(k, embedder, examples=examples)

    def settings(self) -> tuple[Any, ...]:
        """Return `k`, the embedder and the relevance."""
        return (*super().settings(), self.relevance)

    def rank(self, text: str) -> Sequence[int]:
        """Return the indices by descending marginal relevance."""
        if not self.examples:
            return ()
        similar, vectors = self._similarities(text)
        order = descending(similar)
        near = order[:DIVERSE_AMONG]
        vectors = vectors[near]
        ranked = maximal_marginal_relevance(similar[near], lambda item: vectors @ vectors[item], self.relevance)
        return [*(near[item] for item in ranked), *order[DIVERSE_AMONG:]]
