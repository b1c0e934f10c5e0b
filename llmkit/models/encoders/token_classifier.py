"""Entities by a classifier of tokens, in texts of any length, with exact offsets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Literal, NamedTuple

import numpy as np
import regex
from numpy.typing import NDArray
from tokenizers import Encoding

from llmkit.errors import InputError
from llmkit.models.encoders.forward_passes import EncodedInput, ForwardPasses
from llmkit.models.encoders.heads import label_names
from llmkit.models.encoders.label_heads import LabelWords, Matrix, log_softmax, read_logits
from llmkit.models.encoders.label_matching import match_labels
from llmkit.models.encoders.tags import TagScheme
from llmkit.text.segmentation import Span
from llmkit.text.words import words

Aggregation = Literal["simple", "first", "average", "max"]
"""How the tokens of a word get one tag, as in transformers' pipeline: not at all; that of the first token, which is how
most heads are trained; by the mean of their probabilities; or by the token that is surest."""
OVERLAP = 128
"""Tokens that windows share, if they have twice as many."""
_MARKS = regex.compile(r"[\p{M}\u200d]*")


class SpanScores(NamedTuple):
    """The spans of a text that may be entities.

    Attributes:
        spans: in order; none overlaps another.
        log_probabilities: of each label and, in the last column, of none of them: [spans, labels + 1].
    """

    spans: list[Span]
    log_probabilities: NDArray[np.float64]


class _Word(NamedTuple):
    span: Span
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class TokenClassifierHead:
    """Tags the words of a text, each with the probabilities of the window that shows the most around it."""

    passes: ForwardPasses
    aggregation: Aggregation

    @cached_property
    def scheme(self) -> TagScheme:
        """The tags of the head."""
        return TagScheme.parse(label_names(self.passes.loaded.model.config))

    def columns(self, labels: LabelWords) -> list[list[int]]:
        """Return the indices of the head's types for each label, or raise `InputError` for one that it lacks."""
        return match_labels(labels, self.scheme.types)

    def span_scores(self, texts: Sequence[str], labels: LabelWords) -> list[SpanScores]:
        """Return the spans of each text that the head takes for an entity of any type, with their probabilities.

        That of a label is the mean over the span's words of its likeliest tag, as in transformers' pipeline; of several
        types that one label stands for, the sum.
        """
        columns = self.columns(labels)
        encodings = [self.passes.encode_text(text) for text in texts]
        tagged = self._token_probabilities(encodings)
        return [
            self._spans(text, list(self._words(text, encoding, rows)), columns)
            for text, encoding, rows in zip(texts, encodings, tagged, strict=True)
        ]

    def _token_probabilities(self, encodings: Sequence[Encoding]) -> list[Matrix]:
        """Return the probability of each tag for each token: a list of [tokens, tags]."""
        before, after = self._special_tokens
        size = self.passes.window - len(before) - len(after)
        if size < 1:
            raise InputError(f"context_window is {self.passes.window}, which leaves no token for a text: raise it")
        step = size - min(OVERLAP, size // 2)
        inputs, places = [], []
        for number, encoding in enumerate(encodings):
            all_ids = encoding.ids  # each access makes a new list
            for start in range(0, max(len(all_ids) - (size - step), 1), step):
                ids = all_ids[start : start + size]
                inputs.append(EncodedInput([*before, *ids, *after], [0] * (len(before) + len(ids) + len(after))))
                places.append((number, start, len(ids)))
        logits = self.passes.run(inputs, read_logits)
        results = [np.zeros((len(encoding.ids), len(self.scheme.tags))) for encoding in encodings]
        most = [np.full(len(encoding.ids), -1) for encoding in encodings]
        for (number, start, count), rows in zip(places, logits, strict=True):
            context = _context(start, count, len(most[number]))
            better = np.flatnonzero(context > most[number][start : start + count])
            probabilities = np.exp(log_softmax(rows[len(before) : len(before) + count]))
            results[number][start + better] = probabilities[better]
            most[number][start + better] = context[better]
        return results

    @cached_property
    def _special_tokens(self) -> tuple[list[int], list[int]]:
        """The tokens that the tokenizer adds before and after a text."""
        encoding = self.passes.backend.encode("a")
        inside = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
        if not inside:
            return list(encoding.ids), []
        return list(encoding.ids[: inside[0]]), list(encoding.ids[inside[-1] + 1 :])

    def _words(self, text: str, encoding: Encoding, probabilities: Matrix) -> Iterator[_Word]:
        """Yield the words of a text; a token whose characters belong to no word is one of its own."""
        keys = _word_keys(text, encoding, simple=self.aggregation == "simple")
        offsets = encoding.offsets  # each access makes a new list
        reached = 0  # tokenizers that replace characters may say that two tokens have the same ones
        for _, members in groupby(range(len(keys)), keys.__getitem__):
            tokens = list(members)
            start = max(offsets[tokens[0]][0], reached)
            span = _stripped(text, start, max(start, offsets[tokens[-1]][1]))
            if span.start < span.end:
                reached = span.end
                yield _Word(span, self._aggregate(probabilities[tokens]))

    def _aggregate(self, rows: Matrix) -> NDArray[np.float64]:
        if self.aggregation == "average":
            return np.asarray(rows.mean(axis=0))
        return np.asarray(rows[rows.max(axis=1).argmax() if self.aggregation == "max" else 0])

    def _spans(self, text: str, tagged: Sequence[_Word], columns: Sequence[Sequence[int]]) -> SpanScores:
        spans, rows = [], []
        tags = list(enumerate(self.scheme.tags))
        of_types = [[place for place, tag in tags if tag.type == name] for name in self.scheme.types]
        for start, end in self.scheme.entities([int(word.probabilities.argmax()) for word in tagged]):
            probabilities = np.stack([word.probabilities for word in tagged[start:end]])
            types = np.array([probabilities[:, places].max(axis=1).mean() for places in of_types])
            asked = np.array([types[places].sum() for places in columns])
            limit = tagged[end].span.start if end < len(tagged) else len(text)
            marks = _MARKS.match(text, tagged[end - 1].span.end, limit)
            spans.append(Span(tagged[start].span.start, marks.end() if marks else limit))
            rows.append([*asked, max(1.0 - asked.sum(), 0.0)])
        tiny = np.finfo(np.float64).tiny
        return SpanScores(spans, np.log(np.maximum(np.array(rows).reshape(-1, len(columns) + 1), tiny)))


def _word_keys(text: str, encoding: Encoding, *, simple: bool) -> list[object]:
    """Return for each token what it has in common with the other tokens of its word.

    A word is one both to the tokenizer and to the text: tokenizers that divide a text at white space alone take
    punctuation as part of a word, and whole sentences in scripts without spaces. The tokens of one character, which
    tokenizers of bytes divide, are always together.
    """
    found = words(text)
    word_ids, offsets = encoding.word_ids, encoding.offsets  # each access makes a new list
    place = 0
    keys: list[object] = []
    for word, (start, end) in zip(word_ids, offsets, strict=True):
        span = _stripped(text, start, end)
        while place < len(found) and found[place].end <= span.start:
            place += 1
        is_inside = place < len(found) and found[place].start <= span.start < found[place].end
        keys.append(("word", word, place) if is_inside and not simple else ("token", span.start, span.end))
    for index in range(len(keys) - 2, -1, -1):  # a token of white space alone is the first one of the word after it
        start, end = offsets[index]
        if not simple and not text[start:end].strip() and word_ids[index] == word_ids[index + 1]:
            keys[index] = keys[index + 1]
    return keys


def _stripped(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    first = start + len(piece) - len(piece.lstrip())
    return Span(first, max(first, start + len(piece.rstrip())))


def _context(start: int, count: int, length: int) -> NDArray[np.int64]:
    """Return how many tokens of context a window has around each of its tokens; the text's own ends do not count."""
    places = np.arange(count)
    before = places if start else np.full(count, length)
    after = places[::-1] if start + count < length else np.full(count, length)
    return np.asarray(np.minimum(before, after))
