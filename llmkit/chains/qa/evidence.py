"""The evidence that an answer is right: what the best span's score, its lead and its sentence say together.

A second logistic regression weighs it. A small model's log-likelihoods alone do not tell right answers from wrong ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from llmkit.chains.qa.answer_spans import AnswerSpan
from llmkit.chains.qa.asked_question import AskedQuestion
from llmkit.chains.qa.span_features import Vector, weight_vector
from llmkit.text.words import terms, words

EVIDENCE = ("score", "lead", "similarity", "question_words_in_sentence", "missing_names")
"""What the evidence is made of.

- score: of the span, in nats.
- lead: over the best span that does not overlap it, in nats, at most `MAX_LEAD`.
- similarity: the cosine of the question and the span's sentence, less `USUAL_SIMILARITY`; 0 without an embedder.
- question_words_in_sentence: the share of the question's words, without stop words, that the sentence has in any form.
- missing_names: how many names and numbers of the question no sentence has that was read.
"""

MAX_LEAD = 10.0
USUAL_SIMILARITY = 0.5
"""About the mean cosine of a question and the sentence that answers it, so that 0 is neither evidence."""


def weigh(
    question: AskedQuestion, text: str, spans: Sequence[AnswerSpan], scores: Vector, weights: Mapping[str, float]
) -> float:
    """Return the evidence that the span with the highest score is right; without weights, that score.

    Args:
        question: what is asked.
        text: all that was read.
        spans: the candidates.
        scores: of the candidates, in nats.
        weights: of what `EVIDENCE` names.
    """
    best = int(np.argmax(scores))
    if not weights:
        return float(scores[best])
    chosen = spans[best].sentence
    values = [
        float(scores[best]),
        lead(spans, scores, best),
        0.0 if chosen.similarity is None else chosen.similarity - USUAL_SIMILARITY,
        question.share_in(chosen.text),
        float(missing_names(question.text, text)),
    ]
    return float(np.array(values) @ weight_vector(weights, EVIDENCE))


def lead(spans: Sequence[AnswerSpan], scores: Vector, best: int) -> float:
    """Return how far a span is before the best one that does not overlap it, at most `MAX_LEAD`."""
    chosen = spans[best]
    others = [
        score
        for span, score in zip(spans, scores, strict=True)
        if span.sentence.document != chosen.sentence.document
        or span.span.end <= chosen.span.start
        or chosen.span.end <= span.span.start
    ]
    return min(float(scores[best]) - max(others), MAX_LEAD) if others else MAX_LEAD


def missing_names(question: str, text: str) -> int:
    """Return how many names and numbers of a question, but for its first word, a text does not have."""
    known = set(terms(text))
    given = [word.of(question) for word in words(question)][1:]
    names = [name for name in given if name[0].isupper() or any(sign.isdigit() for sign in name)]
    return sum(not known.issuperset(terms(name)) for name in names)
