"""The spans of a sentence that can be an answer."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from llmkit.chains.qa.alternatives import Alternatives
from llmkit.chains.scoring import spans_from
from llmkit.retrieval import RetrievedSentence
from llmkit.text.fields import number_answer_fields
from llmkit.text.segmentation import Span
from llmkit.text.words import terms, words


@dataclass(frozen=True)
class AnswerSpan:
    """A span of a document as an answer, the sentence that it is in, and the evidence that it is right."""

    sentence: RetrievedSentence
    span: Span
    text: str
    score: float = 0.0


SpansFrom = tuple[str, list[AnswerSpan]]
"""A word, and the spans that begin with it."""


QUESTION_MARKS = ("?", "\uff1f", "\u061f", "\u037e")  # Latin, full-width, Arabic and Greek


def repeats_question(text: str, question: str) -> bool:
    """Return whether a sentence is the question itself, after whatever words: then it asks, and does not answer."""
    if not text.rstrip(" \"'»”’)]").endswith(QUESTION_MARKS):
        return False
    return f" {' '.join(terms(question))} " in f" {' '.join(terms(text))} "


def spans_of(sentence: RetrievedSentence, max_words: int, alternatives: Alternatives | None) -> list[SpansFrom]:
    """Return each word of a sentence with the answers that begin with it, whose offsets are in the document.

    In a record an answer is within one field. Where the question names alternatives, only these are answers.
    """
    text, offset, found = sentence.text, sentence.start, words(sentence.text)
    fields, starts = number_answer_fields(text, found), [word.start for word in found]
    groups = [
        [span for span in spans if fields[bisect_left(starts, span.end) - 1] == field]
        for spans, field in zip(spans_from(text, found, max_words), fields, strict=True)
    ]
    if alternatives:
        groups = [[span for span in spans if alternatives.allow(span.of(text))] for spans in groups]
    return [
        (word.of(text), [AnswerSpan(sentence, Span(offset + s.start, offset + s.end), s.of(text)) for s in spans])
        for word, spans in zip(found, groups, strict=True)
        if spans
    ]
