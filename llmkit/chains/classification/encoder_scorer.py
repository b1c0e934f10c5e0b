"""Scores of the labels from a model with `label_scores`, such as a classifier of entailment or a sentence embedder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from langchain_core.example_selectors import BaseExampleSelector

from llmkit.chains.base import apply_to_good, attempt, unwrap_all
from llmkit.chains.calibration import Matrix
from llmkit.chains.capabilities import LabelModel
from llmkit.chains.classification.contextual_calibration import MAX_SCORES, MAX_SLOW_SCORES
from llmkit.chains.classification.saving import PROBES_OF_ENCODERS
from llmkit.chains.classification.scorer import LabelScorer, against_the_rest
from llmkit.chains.labels import Labels
from llmkit.chains.saving import MAX_PROBABILITY_DIFFERENCE
from llmkit.chains.scoring import Row
from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.prompts import TaskPrompt

_ADVICE = "it is read in passages"


@dataclass(frozen=True)
class EncoderScorer:
    """What `LabelScorer` is for a language model, for a model that scores labels itself.

    Attributes:
        labels: the labels and their words.
        alternatives: with `multi_label`, what else a text could be, for a model that compares labels.
        context_window: the most tokens of a text that is read at once.
    """

    llm: LabelModel
    labels: Labels
    alternatives: tuple[str, ...]
    context_window: int

    @classmethod
    def from_labels(
        cls, llm: LabelModel, labels: Labels, alternatives: Sequence[str] = (), context_window: int | None = None
    ) -> EncoderScorer:
        """Return the scorer for labels that the model knows, or raise `InputError`."""
        others = tuple(alternatives) if labels.multi_label and not llm.is_independent else ()
        names = (*labels.names, *others)
        window = llm.text_window(names, dict(zip(labels.names, labels.verbalized, strict=True)))
        if context_window is not None and context_window < 1:
            raise InputError(f"context_window is {context_window}, but must be at least 1")
        return cls(llm, labels, others, min(window, context_window or window))

    def with_examples(
        self, examples: Sequence[Mapping[str, Any]], selector: BaseExampleSelector | None = None
    ) -> EncoderScorer:
        """Return the scorer itself: it reads no examples, which then only serve the prior."""
        return self

    probes = PROBES_OF_ENCODERS
    max_difference = MAX_PROBABILITY_DIFFERENCE

    @property
    def method(self) -> str:
        """How the model scores labels."""
        return self.llm.label_method

    @property
    def template(self) -> str:
        """The sentence in which the model reads a label."""
        return self.llm.template

    @property
    def verbalized(self) -> tuple[str, ...]:
        """The words of each label."""
        return self.labels.verbalized

    @property
    def max_prior_scores(self) -> int:
        """About the most scores that the prior is measured with."""
        return MAX_SLOW_SCORES if self.llm.label_method == "masked words" else MAX_SCORES

    @property
    def multi_label(self) -> bool:
        """Whether each label holds or not by itself."""
        return self.labels.multi_label

    @property
    def continuations(self) -> list[str]:
        """What is scored for each text: the words of each label, and the alternatives."""
        return [*self.verbalized, *self.alternatives]

    def label_scores(self, scores: Matrix) -> Matrix:
        """Return the labels' scores, [texts, labels], from those of all that is scored, as `LabelScorer` does."""
        if not self.multi_label or self.llm.is_independent:
            return scores
        return against_the_rest(scores, len(self.verbalized))

    def fit(self, text: str) -> str:
        """Return a text that fits the window, or raise `ContextWindowExceeded`."""
        tokens = self.llm.get_num_tokens(text)
        if tokens > self.context_window:
            raise ContextWindowExceeded(tokens, self.context_window, "the text", _ADVICE)
        return text

    def scores(self, texts: Sequence[str]) -> Matrix:
        """Return the score of each label for each text, in nats: [texts, continuations]."""
        return np.stack(unwrap_all(self.try_scores(texts)))

    def try_scores(self, texts: Sequence[str]) -> list[Row | Exception]:
        """Return the scores of each text, or the error that it failed with."""
        return apply_to_good(self._score, [attempt(self.fit, text) for text in texts])

    def _score(self, texts: Sequence[str]) -> list[Row]:
        judged = self.multi_label and self.llm.is_independent
        words = dict(zip(self.labels.names, self.verbalized, strict=True))
        names = (*self.labels.names, *self.alternatives)
        scores = self.llm.label_scores(texts, names, words, multi_label=judged)
        return list(scores - np.log(-np.expm1(np.minimum(scores, -1e-300))) if judged else scores)


Scorer = LabelScorer | EncoderScorer


def find_scorer(
    llm: Any, prompt: TaskPrompt, labels: Labels, alternatives: Sequence[str], context_window: int | None
) -> Scorer:
    """Return what scores labels with a model: by their log-likelihoods after a prompt, or as the model does itself."""
    if hasattr(llm, "label_scores"):
        return EncoderScorer.from_labels(llm, labels, alternatives, context_window)
    return LabelScorer.from_labels(llm, prompt, labels, alternatives, context_window)
