"""Candidates and their scores from a model with `span_scores`, such as a classifier of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from llmkit.chains.base import unwrap_all
from llmkit.chains.capabilities import SpanModel
from llmkit.chains.labels import Labels
from llmkit.chains.ner.candidates import Candidate
from llmkit.chains.ner.span_scorer import PROBE_TEXT, ScoredText
from llmkit.chains.scoring import Row

_NO_SPAN = -10.0
"""Log-odds that no span that the model takes for an entity falls below by much."""


@dataclass(frozen=True)
class TokenLabelScorer:
    """What `SpanScorer` is for a language model: the spans that the model takes for entities are the candidates."""

    llm: SpanModel
    labels: Labels

    method: ClassVar[Literal["token labels"]] = "token labels"

    @classmethod
    def from_labels(cls, llm: SpanModel, labels: Labels) -> TokenLabelScorer:
        """Return the scorer for labels that the model has, or raise `InputError`."""
        scorer = cls(llm, labels)
        llm.check_span_labels(labels.names, scorer._descriptions)
        return scorer

    def score(self, texts: Sequence[str]) -> list[ScoredText | Exception]:
        """Score all texts together."""
        found = self.llm.span_scores(texts, self.labels.names, self._descriptions) if texts else []
        return [
            ScoredText(text, [Candidate(span.start, span.end) for span in spans], rows[:, :-1] - rows[:, -1:])
            for text, (spans, rows) in zip(texts, found, strict=True)
        ]

    def probe(self) -> Row:
        """Return what each label's likeliest span in a text gets, by which the model is recognized: [labels], nats."""
        [scored] = unwrap_all(self.score([PROBE_TEXT]))
        return np.asarray(scored.scores.max(axis=0, initial=_NO_SPAN))

    def unmeasured(self) -> TokenLabelScorer:
        """Return the scorer itself, which measures nothing."""
        return self

    @property
    def _descriptions(self) -> dict[str, str]:
        return dict(zip(self.labels.names, self.labels.verbalized, strict=True))
