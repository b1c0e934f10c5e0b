"""Labelled examples: shown in the prompt where that helps, else used to measure the prior only.

Small models often get worse with examples in their prompt: they copy the labels that they have just seen. So it is
measured on the examples themselves before any of them is shown. Examples that are selected for each text are always
shown, and the prompt without them gets half of the weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from langchain_core.example_selectors import BaseExampleSelector

from llmkit.chains.base import apply_to_good
from llmkit.chains.calibration import Calibration, ExamplesReport, Matrix
from llmkit.chains.classification.contextual_calibration import (
    ClassificationTuning,
    NeutralScores,
    Prior,
    blend,
    class_mean,
    neutral_scores,
    noise_variance,
)
from llmkit.chains.classification.encoder_scorer import Scorer
from llmkit.chains.labels import Labels
from llmkit.chains.scoring import Row
from llmkit.prompts import BalancedExamples, ExampleSelector, FirstExamples

MAX_SHOWN = 16
"""At most so many examples go into a prompt, where the caller gives no selector."""
MAX_MEASURED = 32
"""At most so many examples are scored to measure the prior, and whether examples help."""
MIN_MEASURED = 4
"""With fewer examples nothing can be measured: they are shown."""


class _VerbalizingSelector(BaseExampleSelector):
    """A selector that is not llmkit's; the labels of its examples are validated and verbalized."""

    def __init__(self, selector: BaseExampleSelector, labels: Labels) -> None:
        self.selector, self.labels = selector, labels

    def add_example(self, example: dict[str, str]) -> Any:
        return self.selector.add_example(example)

    def select_examples(self, input_variables: dict[str, str]) -> list[dict[str, Any]]:
        return self.labels.verbalize(self.selector.select_examples(input_variables))[0]


def verbalize(
    labels: Labels, examples: Sequence[Mapping[str, Any]], selector: BaseExampleSelector | None
) -> tuple[list[dict[str, Any]], list[list[int]], BaseExampleSelector | None]:
    """Return the examples with the labels' words as output, the indices of their labels, and the selector.

    The examples of one of llmkit's selectors are returned as if they had been given beside it.
    """
    if selector is not None and not examples:
        if not isinstance(selector, ExampleSelector):
            return [], [], _VerbalizingSelector(selector, labels)
        examples, selector = selector.examples, selector.with_examples(())
    return *labels.verbalize(examples), selector


@dataclass(frozen=True)
class CalibratedScorer:
    """A scorer and the prior of its continuations, of which a share is subtracted from its scores.

    Attributes:
        neutral: the scores of content-free texts.
    """

    scorer: Scorer
    prior: Prior
    share: float = 1.0
    neutral: NeutralScores | None = None

    def try_scores(self, texts: Sequence[str]) -> list[Row | Exception]:
        """Return the calibrated label scores of each text, or the error that it failed with."""
        return apply_to_good(
            lambda rows: self.scorer.label_scores(np.stack(rows) - self.share * self.prior),
            self.scorer.try_scores(texts),
        )

    def noise_variance(self) -> float:
        """Return how much the calibrated scores vary where the text says nothing; measured here if it was not yet."""
        neutral = self.neutral or neutral_scores(
            self.scorer.try_scores, self.scorer.verbalized, self.scorer.max_prior_scores
        )
        scores = self.scorer.label_scores(neutral.scores - neutral.prior)
        return noise_variance(scores, neutral.counts)

    def refit(self, texts: Sequence[str], neutral_weight: float) -> CalibratedScorer:
        """Return the scorer with its prior measured on texts too."""
        measured = self.scorer.scores(texts).mean(axis=0)
        return replace(self, prior=blend(self.prior, measured, len(texts), neutral_weight), share=1.0)


@dataclass(frozen=True)
class FewShot:
    """Labelled examples, and the prompt without and with them.

    Attributes:
        zero_shot, few_shot: scorers without and with examples; the same if there are none.
        examples, labels: with the labels' words as outputs, and the indices of the labels.
        selected: whether a selector of the caller chooses examples for each text.
        show: whether the examples go into the prompt; `None` measures it.
    """

    zero_shot: Scorer
    few_shot: Scorer
    examples: Sequence[Mapping[str, str]]
    labels: Sequence[Sequence[int]]
    selected: bool
    show: bool | None
    tuning: ClassificationTuning

    @classmethod
    def from_examples(
        cls,
        zero_shot: Scorer,
        labels: Labels,
        selector: BaseExampleSelector | None,
        show: bool | None,
        tuning: ClassificationTuning,
        examples: Sequence[Mapping[str, Any]],
    ) -> FewShot:
        """Validate the examples and verbalize their labels."""
        verbalized, indices, selector = verbalize(labels, examples, selector)
        few_shot = zero_shot
        if verbalized or selector:
            few_shot = zero_shot.with_examples(verbalized, selector or BalancedExamples(FirstExamples(), MAX_SHOWN))
        return cls(zero_shot, few_shot, verbalized, indices, selector is not None, show, tuning)

    @cached_property
    def shown(self) -> bool:
        """Whether the examples go into the prompt."""
        if self.few_shot is self.zero_shot:
            return False
        if self.show is not None:
            return self.show
        return not self._is_measured or self._cross_validated[1] < self._cross_validated[0]

    @property
    def _is_measured(self) -> bool:
        return self.show is None and not self.selected and len(self._sample) >= MIN_MEASURED

    def report(self, *, calibrated: bool) -> ExamplesReport | None:
        """Return what was done with the examples, which may have to be measured first; `None` if there are none."""
        if not self.examples:
            return None
        without, with_examples = self._cross_validated if self._is_measured else (None, None)
        in_prior = calibrated and not self.shown and len(self._sample) >= MIN_MEASURED
        weight = len(self._sample) / (len(self._sample) + self.tuning.neutral_weight)
        return ExamplesReport(
            len(self.examples),
            "prompt" if self.shown else "prior" if in_prior else "none",
            "log-loss" if self._is_measured else None,
            without,
            with_examples,
            prior_weight=weight if in_prior else None,
        )

    def scorers(self, *, calibrated: bool) -> tuple[CalibratedScorer, ...]:
        """Return the scorers whose scores are averaged for each text, and measure their priors if `calibrated`."""
        if not calibrated:
            scorer = self.few_shot if self.shown else self.zero_shot
            return (CalibratedScorer(scorer, np.zeros(len(scorer.continuations))),)
        if not self.shown:
            return (self._zero_shot_scorer(),)
        neutral = neutral_scores(self.few_shot.try_scores, self.few_shot.verbalized, self.few_shot.max_prior_scores)
        if not self.selected:
            return (CalibratedScorer(self.few_shot, neutral.prior, neutral=neutral),)
        few_shot = CalibratedScorer(self.few_shot, neutral.prior, self.tuning.selected_share, neutral)
        return (self._zero_shot_scorer(), few_shot)

    def _zero_shot_scorer(self) -> CalibratedScorer:
        neutral = neutral_scores(self.zero_shot.try_scores, self.zero_shot.verbalized, self.zero_shot.max_prior_scores)
        if len(self._sample) < MIN_MEASURED:
            return CalibratedScorer(self.zero_shot, neutral.prior, neutral=neutral)
        measured = self._class_mean(self._zero_shot_scores, self._sample)
        prior = blend(neutral.prior, measured, len(self._sample), self.tuning.neutral_weight)
        return CalibratedScorer(self.zero_shot, prior, neutral=neutral)

    @cached_property
    def _sample(self) -> list[int]:
        """The indices of the examples to learn from: one of each label, then a second of each."""
        ranked = BalancedExamples(FirstExamples(), examples=[dict(example) for example in self.examples]).rank("")
        return [index for index in ranked if self.labels[index]][:MAX_MEASURED]

    @cached_property
    def _zero_shot_scores(self) -> Matrix:
        return self._scores(self.zero_shot, self._sample)

    def _scores(self, scorer: Scorer, sample: Sequence[int]) -> Matrix:
        return scorer.scores([self.examples[index]["input"] for index in sample])

    def _class_mean(self, scores: Matrix, sample: Sequence[int]) -> Prior:
        return class_mean(scores, [self.labels[index][0] for index in sample])

    @cached_property
    def _cross_validated(self) -> tuple[float, float]:
        """The mean log-loss of each half of the sample, without examples and after the other half was shown."""
        middle = len(self._sample) // 2
        halves = slice(0, middle), slice(middle, None)
        without = shown_loss = 0.0
        for scored, shown in (halves, halves[::-1]):
            sample = self._sample[scored]
            few_shot = self.zero_shot.with_examples([self.examples[index] for index in self._sample[shown]])
            scores = self._scores(few_shot, sample)
            without += self._log_loss(self._zero_shot_scores[scored], sample)
            shown_loss += self._log_loss(scores, sample)
        return without / len(self._sample), shown_loss / len(self._sample)

    def _log_loss(self, scores: Matrix, sample: Sequence[int]) -> float:
        """Return the summed log-loss of examples, with the mean of each label subtracted from the scores."""
        scores = self.zero_shot.label_scores(scores - self._class_mean(scores, sample))
        truth = np.array([[label in self.labels[index] for label in range(scores.shape[1])] for index in sample])
        return len(sample) * Calibration(independent=self.zero_shot.multi_label).log_loss(scores, truth)
