"""Log-likelihoods of the labels after each text: all labels of a text in one forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from langchain_core.example_selectors import BaseExampleSelector

from llmkit.chains.base import apply_to_good, unwrap_all
from llmkit.chains.calibration import Matrix
from llmkit.chains.classification.contextual_calibration import MAX_SCORES
from llmkit.chains.labels import Labels
from llmkit.chains.saving import MAX_SCORE_DIFFERENCE, PROBE
from llmkit.chains.scoring import Row, score_continuations, separator
from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.prompts.context_budget import ContextBudget

MAX_LABEL_TOKENS = 1000
"""All labels are scored after every text, so that a longer one takes seconds each time, and says no more."""
_ADVICE = "give shorter labels or descriptions, or choose a model with a larger window"


@dataclass(frozen=True)
class LabelScorer:
    """A prompt whose completion is one of the labels.

    Attributes:
        verbalized: the words of each label.
        alternatives: with `multi_label`, what else a text could be.
        max_label_tokens: tokens of the longest continuation, reserved in every prompt.
    """

    llm: Any
    prompt: TaskPrompt
    verbalized: tuple[str, ...]
    alternatives: tuple[str, ...]
    multi_label: bool
    max_label_tokens: int
    context_window: int

    method = "likelihood"
    template = None
    probes = (PROBE,)
    max_difference = MAX_SCORE_DIFFERENCE

    @classmethod
    def from_labels(
        cls,
        llm: Any,
        prompt: TaskPrompt,
        labels: Labels,
        alternatives: Sequence[str] = (),
        context_window: int | None = None,
    ) -> LabelScorer:
        """Return a scorer that reserves tokens for the longest label; raise `InputError` if it is too long."""
        window = ContextBudget(llm, 0, context_window).window
        others = tuple(alternatives) if labels.multi_label else ()
        words = (*labels.verbalized, *others)
        sizes = [llm.get_num_tokens(f" {text}") for text in words]
        if max(sizes) >= window or max(sizes) > MAX_LABEL_TOKENS:
            longest = words[int(np.argmax(sizes))]
            limit = f"the model's context window of {window}" if window <= MAX_LABEL_TOKENS else f"{MAX_LABEL_TOKENS}"
            raise InputError(
                f"the label {longest[:40]!r}… has {max(sizes)} tokens, more than {limit}: "
                "give it a shorter name or description"
            )
        return cls(llm, prompt, labels.verbalized, others, labels.multi_label, max(sizes), window)

    def with_examples(
        self, examples: Sequence[Mapping[str, Any]], selector: BaseExampleSelector | None = None
    ) -> LabelScorer:
        """Return the scorer with examples in its prompt."""
        return replace(self, prompt=self.prompt.with_examples(examples, selector))

    @property
    def max_prior_scores(self) -> int:
        """About the most scores that the prior is measured with."""
        return MAX_SCORES

    @property
    def continuations(self) -> list[str]:
        """What is scored after each prompt: the words of each label, and the alternatives."""
        prefix = separator(self.prompt)
        return [f"{prefix}{words}" for words in (*self.verbalized, *self.alternatives)]

    def label_scores(self, scores: Matrix) -> Matrix:
        """Return the labels' scores, [texts, labels], from those of all continuations, [texts, continuations].

        With `multi_label`, that is the log-odds of each label against the mean of all other continuations.
        """
        return against_the_rest(scores, len(self.verbalized)) if self.multi_label else scores

    def fit(self, text: str) -> FittedPrompt:
        """Return the prompt for a text, with as many examples as fit."""
        return unwrap_all(self.fit_all([text]))[0]

    def fit_all(self, texts: Sequence[str]) -> list[FittedPrompt | Exception]:
        """Return the prompt for each text, with as many examples as fit, or the error that it failed with."""
        fitted = self.prompt.fit_all(
            texts, model=self.llm, max_new_tokens=self.max_label_tokens, context_window=self.context_window
        )
        return [_explained(one) if isinstance(one, ContextWindowExceeded) else one for one in fitted]

    def scores(self, texts: Sequence[str]) -> Matrix:
        """Return the log-likelihood of each continuation after each text, in nats: [texts, continuations]."""
        return np.stack(unwrap_all(self.try_scores(texts)))

    def try_scores(self, texts: Sequence[str]) -> list[Row | Exception]:
        """Return the scores of each text, or the error that it failed with."""
        return apply_to_good(self._score, self.fit_all(texts))

    def _score(self, prompts: Sequence[FittedPrompt]) -> list[Row]:
        return score_continuations(self.llm, prompts, [self.continuations] * len(prompts), prefix="")


def _explained(error: ContextWindowExceeded) -> ContextWindowExceeded:
    what = "the prompt, its text and the longest label"
    return ContextWindowExceeded(error.needed, error.available, what, _ADVICE)


def against_the_rest(scores: Matrix, labels: int) -> Matrix:
    """Return the log-odds of each of the first `labels` columns against the mean of all other columns."""
    columns = []
    for place in range(labels):
        rest = np.delete(scores, place, axis=1)
        columns.append(scores[:, place] - np.logaddexp.reduce(rest, axis=1) + np.log(rest.shape[1]))
    return np.stack(columns, axis=1)
