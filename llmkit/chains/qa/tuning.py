"""The numbers of question answering that depend on the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from llmkit.chains.tuning import Tuning


@dataclass(frozen=True, kw_only=True)
class QATuning(Tuning):
    """How spans are scored, and how a score becomes a probability. The defaults are neutral.

    Attributes:
        prior_weight: the share of a span's log-likelihood after a content-free question that is subtracted.
        span_weights: the nats that a span gets for a unit of each of `span_features.FEATURES`; none for those left out.
        evidence_weights: the weight of each of `evidence.EVIDENCE` in the evidence that the best span is right; where
            there are none, the evidence is the span's score in nats.
        confidence_midpoint: the evidence at which an answer is as likely right as wrong.
        confidence_scale: the evidence over which that changes: the confidence is
            sigmoid((evidence - midpoint) / scale) (Platt 1999).
        threshold: the least confidence of an answer; 0 always answers.
        yes_no_midpoint, yes_no_scale, yes_no_threshold: the same for yes and no.
        yes_no_languages: those in which yes/no questions are answered; `None` for all.
    """

    prior_weight: float = 0.0
    span_weights: Mapping[str, float] = field(default_factory=dict)
    evidence_weights: Mapping[str, float] = field(default_factory=dict)
    confidence_midpoint: float = 0.0
    confidence_scale: float = 1.0
    threshold: float = 0.0
    yes_no_midpoint: float = 0.0
    yes_no_scale: float = 1.0
    yes_no_threshold: float = 0.0
    yes_no_languages: tuple[str, ...] | None = None

    def confidence(self, score: float) -> float:
        """Return the probability that an answer with this score is right."""
        return _sigmoid((score - self.confidence_midpoint) / self.confidence_scale)

    def yes_no_confidence(self, score: float) -> float:
        """Return the probability that yes or no with this score is right."""
        return _sigmoid((score - self.yes_no_midpoint) / self.yes_no_scale)


NEUTRAL = QATuning()
SMOLLM2_135M = QATuning(
    model="smollm2-135m",
    prior_weight=0.67,
    span_weights={
        "rank": -0.99,
        "relevance": 2.61,
        "question_words_in_sentence": 1.62,
        "begins_with_stop_word": -1.75,
        "ends_with_stop_word": -1.92,
        "divided": 1.20,
        "begins_at_border": -0.43,
        "ends_at_border": 0.55,
        "cuts_name": -2.47,
        "cuts_number": -6.10,
        "repeated": -1.89,
        "repeated_at_edge": 0.21,
        "only_repeated": -5.86,
        "near_question_words": 9.05,
        "asked_noun": 1.99,
        "number_asked": 0.65,
        "number_missing": -1.80,
        "time_asked": 1.07,
        "time_missing": -1.38,
        "name_asked": -0.11,
        "name_missing": 0.31,
        "place_asked": 0.44,
        "place_missing": -1.35,
        "reason_asked": 1.0,
        "reason_missing": -2.0,
        "reason_length": 0.13,
        "number_not_asked": -4.04,
    },
    evidence_weights={
        "score": 0.169,
        "lead": 0.174,
        "similarity": 3.40,
        "likelihood": 0.109,
    },
    confidence_midpoint=1.15,
    confidence_scale=1.0,
    threshold=0.3,
    yes_no_midpoint=-0.06,
    yes_no_scale=0.81,
    yes_no_threshold=0.7,
    yes_no_languages=("english",),
)
"""The weights were fitted on 424 questions of SQuAD 2, 135 of them without an answer, of 18 articles (8 of its
development set and 10 of its training set), with an L2 penalty that was chosen by leaving out one article at a time;
the two of reasons are as large as those of other types; four "why" questions agree. The evidence was fitted on answers
of such left-out articles, and the weight of the likelihood beside it on 110 questions, by F1: there, one article left
out at a time, nine of ten right answers reach the threshold, and more than half of the questions without an answer get
none. Yes and no were fitted on 42 questions, 6 of them without an answer (`benchmarks/yes_no_questions.jsonl`)."""


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(min(max(-value, -500), 500)))
