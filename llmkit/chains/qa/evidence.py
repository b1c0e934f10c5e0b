"""The evidence that an answer is right: the best span's score, its lead, its likelihood and its sentence together.

A second logistic regression weighs it. A small model's log-likelihoods alone do not tell right answers from wrong ones.
The likelihood counts beside the score, from which a share of the prior is subtracted: that serves the choice of the
span, but a phrase that is likely after any question is more often right, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from llmkit.chains.qa.answer_spans import AnswerSpan
from llmkit.chains.qa.span_features import Vector, weight_vector

EVIDENCE = ("score", "lead", "similarity", "likelihood")
"""What the evidence is made of.

- score: of the span, in nats.
- lead: over the best span that does not overlap it, in nats, at most `MAX_LEAD`.
- similarity: the cosine of the question and the span's sentence, less `USUAL_SIMILARITY`; 0 without an embedder.
- likelihood: the log-likelihood of the span as the answer, in nats, with nothing subtracted.
"""

MAX_LEAD = 10.0
USUAL_SIMILARITY = 0.5
"""About the mean cosine of a question and the sentence that answers it, so that 0 is neither evidence."""


def weigh(spans: Sequence[AnswerSpan], scores: Vector, likelihoods: Vector, weights: Mapping[str, float]) -> float:
    """Return the evidence that the span with the highest score is right; without weights, that score.

    Args:
        spans: the candidates.
        scores: of the candidates, in nats.
        likelihoods: their log-likelihoods as the answer, in nats.
        weights: of what `EVIDENCE` names.
    """
    best = int(np.argmax(scores))
    if not weights:
        return float(scores[best])
    similarity = spans[best].sentence.similarity
    cosine = 0.0 if similarity is None else similarity - USUAL_SIMILARITY
    found = np.array([scores[best], lead(spans, scores, best), cosine, likelihoods[best]])
    return float(found @ weight_vector(weights, EVIDENCE))


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
