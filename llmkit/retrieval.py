"""Which sentences of some documents matter for a question.

Sentences are ranked by their words (BM25) and, with an embedder, by their meaning too; the two rankings are combined by
reciprocal rank fusion. Words are compared by their stems, without stop words. Character n-grams, with a smaller weight,
find what stems do not: irregular forms, compounds, misspellings, and questions of stop words only. A sentence that
begins with a pronoun gets a share of the score of the sentence that it is about.

What was computed for a document is kept, so that a second question about it is cheap.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from langchain_core.embeddings import Embeddings

from llmkit.locks import CopyableLock
from llmkit.models.embeddings import cached_embedder, find_embedder
from llmkit.text.pronouns import find_topics
from llmkit.text.ranking import Bm25, Matrix, Vector, descending, reciprocal_rank_fusion, unit_rows
from llmkit.text.segmentation import CharacterCounter, Span, passages, sentences
from llmkit.text.word_forms import DEFAULT_LANGUAGE, character_ngrams, content_words, recognize_language, stems
from llmkit.text.words import terms

MAX_CHARACTERS = 400
"""The longest sentence, in characters; a longer one is split."""
NGRAM_WEIGHT = 0.4
"""The weight of the BM25 score of character n-grams beside that of stems; see docs/question-answering.md."""

TOPIC_SHARE = 0.3
"""The share of the score of the sentence that one is about; of 0 to 0.5, chosen on questions of SQuAD 2."""

LEAST_ASCII = 0.9
"""The least share of English letters in a text that the catalog's embedder, which knows English only, is used for."""


@dataclass(frozen=True, slots=True)
class RetrievedSentence(Span):
    """A sentence that matters, of the document with an index: `documents[document][start:end] == text`.

    Attributes:
        relevance: how much it has in common with the words of the question; 0 is nothing.
        similarity: the cosine of its vector and the question's; `None` where no embedder was used.
        topic: the sentence that it is about, where it begins with a pronoun; else empty.
    """

    document: int
    text: str
    relevance: float = 0.0
    similarity: float | None = None
    topic: str = ""

    @property
    def text_with_topic(self) -> str:
        """Its text, behind the sentence that it is about."""
        return f"{self.topic} {self.text}" if self.topic else self.text


@dataclass(frozen=True)
class _IndexedDocument:
    """A document's sentences, with the stems and n-grams of each.

    Attributes:
        language: as the Snowball stemmer names it.
        topics: the place of the sentence that each is about, if it begins with a pronoun.
        vectors: with an embedder, unit vectors of the sentences, [sentences, dimensions].
    """

    spans: list[Span]
    language: str
    topics: list[int | None]
    stems: list[list[str]]
    ngrams: list[list[str]]
    vectors: Matrix | None

    def topic_of(self, place: int, text: str) -> str:
        """Return the sentence that one is about; empty if it names that itself."""
        topic = self.topics[place]
        return "" if topic is None else self.spans[topic].of(text)


@dataclass(frozen=True)
class _WordIndex:
    """The distinct sentences of some documents, and their BM25 indexes.

    Attributes:
        places: the document and the index in it, of each sentence.
        topics: the index of the sentence that each is about, if it begins with a pronoun.
    """

    places: list[tuple[int, int]]
    topics: list[int | None]
    languages: tuple[str, ...]
    stems: Bm25
    ngrams: Bm25

    def scores(self, question: str) -> Vector:
        """Return how much each sentence has in common with the words of a question."""
        words = terms(question)
        stemmed = [stem for language in self.languages for stem in stems(content_words(words, language), language)]
        by_ngrams = self.ngrams.scores(character_ngrams(question))
        own = self.stems.scores(list(dict.fromkeys(stemmed))) + NGRAM_WEIGHT * by_ngrams
        of_topics = np.array([0.0 if topic is None else own[topic] for topic in self.topics])
        return own + TOPIC_SHARE * of_topics


class SentenceRetriever:
    """Finds the sentences that matter for a question. May be used by several threads.

    Args:
        embedder: any LangChain `Embeddings`, or one of the catalog by its name, "minilm-l6"; with "auto" this one for
            English texts, if its weights are in the cache. Without one, only words count.
        cache_size: how many documents are kept; those of the latest question are kept in any case.

    Attributes:
        embedder: the one in use.
        is_english_only: whether it is used for English texts alone.
    """

    def __init__(self, embedder: Embeddings | str | None = None, cache_size: int = 64) -> None:
        self.is_english_only = embedder == "auto"
        self.embedder = cached_embedder() if embedder == "auto" else find_embedder(embedder)
        self._cache_size = cache_size
        self._cache: OrderedDict[str, _IndexedDocument] = OrderedDict()
        self._latest: tuple[tuple[str, ...], _WordIndex] | None = None
        self._lock = CopyableLock()

    def retrieve(self, question: str, documents: Sequence[str], top_k: int) -> list[RetrievedSentence]:
        """Return up to `top_k` sentences, the most relevant first; equally relevant ones are in source order.

        Of equal sentences, as in a document given twice, the first one is returned; those that begin with a pronoun are
        equal if they are about the same.
        """
        indexed = [self._index(text, max(self._cache_size, len(documents))) for text in documents]
        index = self._word_index(tuple(documents), indexed)
        if not index.places:
            return []
        by_words = index.scores(question)
        rankings = [by_words]
        similarities: Vector | None = None
        if self.embedder is not None and all(document.vectors is not None for document in indexed if document.spans):
            query = unit_rows([self.embedder.embed_query(question)])[0]
            similar = [() if document.vectors is None else document.vectors @ query for document in indexed]
            similarities = np.array([similar[number][place] for number, place in index.places])
            rankings.append(similarities)
        found = []
        for best in descending(reciprocal_rank_fusion(*rankings))[:top_k]:
            number, place = index.places[best]
            span = indexed[number].spans[place]
            text = span.of(documents[number])
            similarity = None if similarities is None else float(similarities[best])
            topic, relevance = indexed[number].topic_of(place, documents[number]), float(by_words[best])
            found.append(RetrievedSentence(span.start, span.end, number, text, relevance, similarity, topic))
        return found

    def _word_index(self, documents: tuple[str, ...], indexed: Sequence[_IndexedDocument]) -> _WordIndex:
        """Return the index of these documents; that of the latest ones is kept."""
        with self._lock:
            if self._latest and self._latest[0] == documents:
                return self._latest[1]
        places: dict[tuple[str, str], tuple[int, int]] = {}
        for number, (text, document) in enumerate(zip(documents, indexed, strict=True)):
            for place, span in enumerate(document.spans):
                places.setdefault((span.of(text), document.topic_of(place, text)), (number, place))
        numbers = {key: number for number, key in enumerate(places)}
        index = _WordIndex(
            list(places.values()),
            [numbers[topic, ""] if topic else None for _, topic in places],
            tuple(dict.fromkeys(document.language for document in indexed)),
            Bm25([indexed[number].stems[place] for number, place in places.values()]),
            Bm25([indexed[number].ngrams[place] for number, place in places.values()]),
        )
        with self._lock:
            self._latest = (documents, index)
        return index

    def _index(self, text: str, cache_size: int) -> _IndexedDocument:
        with self._lock:  # a batch of questions comes in threads: only the first one indexes the document
            document = self._cache.get(text)
            if document is None:
                spans = split_sentences(text)
                texts = [span.of(text) for span in spans]
                words = [terms(one) for one in texts]
                language = recognize_language([word for sentence in words for word in sentence])
                vectors = self._embed(texts, language)
                document = self._cache[text] = _IndexedDocument(
                    spans,
                    language,
                    find_topics(texts, language),
                    [stems(sentence, language) for sentence in words],
                    [character_ngrams(one) for one in texts],
                    vectors,
                )
            self._cache.move_to_end(text)
            while len(self._cache) > cache_size:
                self._cache.popitem(last=False)
        return document

    def _embed(self, texts: list[str], language: str) -> Matrix | None:
        """Return unit vectors of sentences; `None` without an embedder, or where it does not know their language."""
        if self.embedder is None or not texts or (self.is_english_only and not _may_be_english(texts, language)):
            return None
        return unit_rows(self.embedder.embed_documents(texts))


def _may_be_english(texts: Sequence[str], language: str) -> bool:
    """Return whether no other language was recognized, and most letters are those of English."""
    letters = [sign for text in texts for sign in text if sign.isalpha()]
    return language == DEFAULT_LANGUAGE and sum(map(str.isascii, letters)) >= LEAST_ASCII * len(letters)


def split_sentences(text: str) -> list[Span]:
    """Split a text into sentences of at most `MAX_CHARACTERS`."""
    found = []
    for span in sentences(text):
        if span.end - span.start <= MAX_CHARACTERS:
            found.append(span)
            continue
        for part in passages(span.of(text), CharacterCounter(), MAX_CHARACTERS):
            if stripped := part.text.strip():
                start = span.start + part.start + part.text.index(stripped)
                found.append(Span(start, start + len(stripped)))
    return found
