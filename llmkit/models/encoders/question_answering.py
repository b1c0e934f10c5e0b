"""Answers as spans of passages of any length, by a question-answering head.

The algorithm is that of transformers' pipeline, which its version 5.3 removed, and of the evaluation of SQuAD 2 (Devlin
et al. 2019): the question and a window of the passage are read together; a span's score is the product of the
probabilities that it begins and ends there; the probability of no answer is that of the token before the question, in
the window where it is least.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from llmkit.errors import ContextWindowExceeded
from llmkit.models.encoders.forward_passes import EncodedInput, ForwardPasses
from llmkit.text.segmentation import Span
from llmkit.text.words import Word, words

Row = NDArray[np.float64]
WINDOW = 384
"""Tokens of a window, and those that neighboring windows share: what heads are trained with on SQuAD."""
OVERLAP = 128
_PER_ANSWER = 8
"""Spans of tokens that are looked at for each answer: several may be the same whole words."""
MIN_TOKENS = 16
"""Of a passage, which a question must leave."""


class AnswerSpan(NamedTuple):
    """A span of a passage as an answer.

    Attributes:
        passage: the index of the passage.
        text: its characters: `passages[passage][span.start:span.end]`.
        score: the probability that an answer begins and ends there, in the window where it is greatest.
    """

    passage: int
    span: Span
    text: str
    score: float


class AnswerSpans(NamedTuple):
    """The best spans, the likeliest first, and the probability that the passages have no answer."""

    spans: list[AnswerSpan]
    no_answer: float


@dataclass(frozen=True)
class QuestionAnsweringHead:
    """Finds the answers to questions in passages."""

    passes: ForwardPasses

    def check_question(self, question: str) -> int:
        """Return the tokens of a window; raise `ContextWindowExceeded` if a question leaves few for a passage."""
        tokens = len(self.passes.encode_text(question).ids) + self.passes.special_tokens(is_pair=True)
        if tokens + MIN_TOKENS > self.passes.window:
            advice = "shorten the question, or choose a model with a larger window"
            raise ContextWindowExceeded(
                tokens + MIN_TOKENS, self.passes.window, "the question and a few words of a text", advice
            )
        return min(self.passes.window, max(WINDOW, tokens + OVERLAP))

    def answer(
        self, queries: Sequence[tuple[str, Sequence[str]]], top_k: int, max_answer_tokens: int
    ) -> list[AnswerSpans]:
        """Return the spans that answer each question, of its passages."""
        windows: list[tuple[int, int, Encoding]] = []
        for number, (question, passages) in enumerate(queries):
            size = self.check_question(question)
            fixed = len(self.passes.encode_text(question).ids) + self.passes.special_tokens(is_pair=True)
            stride = min(OVERLAP, size // 2, (size - fixed) // 2)
            for place, passage in enumerate(passages):
                encodings = self.passes.encode_windows(question, passage, size=size, stride=stride)
                windows += [(number, place, encoding) for encoding in encodings]
        rows = self.passes.run([EncodedInput.of(encoding) for *_, encoding in windows], _read_logits)
        found: list[dict[tuple[int, int, int], AnswerSpan]] = [{} for _ in queries]
        no_answer = [1.0] * len(queries)
        known: dict[tuple[int, int], list[Word]] = {}
        for (number, place, encoding), logits in zip(windows, rows, strict=True):
            text = queries[number][1][place]
            if (number, place) not in known:
                known[number, place] = words(text)
            starts, ends, null = self._probabilities(encoding, logits[: len(encoding.ids)])
            no_answer[number] = min(no_answer[number], null)
            for first, last, score in _best_spans(starts, ends, top_k, max_answer_tokens):
                span = _in_whole_words(text, encoding, first, last, known[number, place])
                key = (place, span.start, span.end)
                if span.start < span.end and (key not in found[number] or found[number][key].score < score):
                    found[number][key] = AnswerSpan(place, span, span.of(text), score)
        ranked = [sorted(spans.values(), key=lambda answer: -answer.score)[:top_k] for spans in found]
        return [AnswerSpans(spans, null) for spans, null in zip(ranked, no_answer, strict=True)]

    def _probabilities(self, encoding: Encoding, logits: Row) -> tuple[Row, Row, float]:
        """Return the probability that an answer begins and ends at each token, and that of no answer.

        Tokens of the question, and special ones but for the first, are no answer.
        """
        classifier = self.passes.loaded.tokenizer.cls_token_id
        ids, in_passage = np.array(encoding.ids), np.array([place == 1 for place in encoding.sequence_ids])
        is_null = ids == classifier if classifier is not None else np.zeros(len(ids), dtype=bool)
        masked = np.where((in_passage | is_null)[:, None], logits, -np.inf)
        probabilities = np.exp(masked - np.logaddexp.reduce(masked, axis=0))
        null = int(np.argmax(is_null))
        no_answer = float(probabilities[null].prod()) if is_null.any() else 0.0
        starts, ends = (np.where(in_passage, column, 0.0) for column in probabilities.T)
        return starts, ends, no_answer


def _read_logits(outputs: Any, row: int, index: int) -> Row:
    logits = [outputs.start_logits[row], outputs.end_logits[row]]
    return np.stack([column.double().cpu().numpy() for column in logits], axis=1)


def _best_spans(starts: Row, ends: Row, top_k: int, longest: int) -> list[tuple[int, int, float]]:
    """Return the first and last token of the likeliest spans of at most `longest` tokens, and their probabilities."""
    scores = np.tril(np.triu(np.outer(starts, ends)), longest - 1)
    count = min(top_k * _PER_ANSWER, scores.size) - 1
    likeliest = np.argpartition(-scores, count, axis=None)[: count + 1]
    best = likeliest[np.argsort(-scores.ravel()[likeliest], kind="stable")]
    places = (np.unravel_index(int(index), scores.shape) for index in best)
    return [(int(first), int(last), float(scores[first, last])) for first, last in places if scores[first, last] > 0]


def _in_whole_words(text: str, encoding: Encoding, first: int, last: int, known: Sequence[Word]) -> Span:
    """Return the characters of two tokens and what is between them, extended to whole words, without space around."""
    start = _word_of(encoding, first, encoding.offsets[first][0], known).start
    end = _word_of(encoding, last, encoding.offsets[last][1] - 1, known).end
    piece = text[start:end]
    first_character = start + len(piece) - len(piece.lstrip())
    return Span(first_character, max(first_character, start + len(piece.rstrip())))


def _word_of(encoding: Encoding, token: int, character: int, known: Sequence[Word]) -> Span:
    """Return the word that has a token's character; a token that belongs to none is one by itself.

    A word is one both to the tokenizer and to the text: some tokenizers divide a text at white space alone.
    """
    alone = Span(*encoding.offsets[token])
    place = bisect_right(known, character, key=attrgetter("start")) - 1
    word = encoding.token_to_word(token)
    whole: Any = None if word is None else encoding.word_to_chars(word, 1)
    if whole is None or place < 0 or known[place].end <= character:
        return alone
    return Span(max(whole[0], known[place].start), min(whole[1], known[place].end))
