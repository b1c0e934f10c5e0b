"""What labelled examples are good for: to show the model how it is done, or only to tell what it is biased toward.

Small models often get worse by solved examples in their prompt: they copy the labels that they have just seen. So it
is measured, on the examples themselves, before any of them goes into a prompt. Examples that are selected for each text
always do; there the prompt without them keeps half of the say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from langchain_core.example_selectors import BaseExampleSelector

from llmkit.chains.calibration import Calibration, Matrix
from llmkit.chains.classification.contextual_calibration import Prior, blended, class_mean, neutral_prior
from llmkit.chains.classification.examples import verbalize
from llmkit.chains.classification.scorer import LabelScorer, Row
from llmkit.chains.labels import Labels
from llmkit.prompts import BalancedExamples, FirstExamples

SHOWN = 16
"""At most so many examples go into a prompt, where the caller brings no selector."""
MEASURED = 32
"""At most so many examples are scored to learn from them."""
FEWEST = 4
"""With fewer examples nothing can be measured: they are shown."""
SELECTED_SHARE = 0.5
"""How much of the bias is taken off where examples were selected for the text: their labels are half bias, half
evidence. Measured: all of it suits six labels, none of it suits 77, half does well on both."""


@dataclass(frozen=True)
class Expert:
    """A scorer, and the bias that is taken off its scores."""

    scorer: LabelScorer
    prior: Prior
    share: float = 1.0

    def attempts(self, texts: Sequence[str], *, by_batch: bool) -> list[Row | Exception]:
        """Give each text's scores without the bias, which may be learned from these texts too; or the error it met."""
        rows = self.scorer.attempts(texts)
        fine = [each for each in rows if not isinstance(each, Exception)]
        bias = blended(self.prior, np.mean(fine, axis=0), len(fine)) if by_batch and fine else self.share * self.prior
        return [each if isinstance(each, Exception) else self.scorer.settled((each - bias)[None])[0] for each in rows]


@dataclass(frozen=True)
class Shots:
    """Labelled examples, and the prompt without (`bare`) and with them (`full`).

    Attributes:
        outputs: the places of each example's labels.
        selected: whether a selector of the caller's chooses examples for each text.
        show: whether the examples go into the prompt; `None` measures it.
    """

    bare: LabelScorer
    full: LabelScorer
    examples: Sequence[Mapping[str, str]]
    outputs: Sequence[Sequence[int]]
    selected: bool
    show: bool | None

    @classmethod
    def over(
        cls,
        bare: LabelScorer,
        labels: Labels,
        examples: Sequence[Mapping[str, Any]],
        selector: BaseExampleSelector | None,
        show: bool | None,
    ) -> Shots:
        """Check the examples, and put their labels into the model's words.

        Raises:
            InputError: an example has a label that is not one of the labels.
            PromptError: an example is incomplete.
        """
        spoken, outputs, selector = verbalize(labels, examples, selector)
        ranked = selector or BalancedExamples(FirstExamples(), SHOWN)
        full = replace(bare, prompt=bare.prompt.with_examples(spoken, ranked)) if spoken or selector else bare
        return cls(bare, full, spoken, outputs, selector is not None, show)

    @cached_property
    def shown(self) -> bool:
        """Whether the examples go into the prompt."""
        if self.full is self.bare or self.show is not None:
            return self.full is not self.bare and bool(self.show)
        return self.selected or len(self._sample) < FEWEST or self._help()

    @cached_property
    def experts(self) -> tuple[Expert, ...]:
        """Those whose scores are averaged for each text."""
        if not self.shown:
            return (Expert(self.bare, self._bare_prior()),)
        prior = neutral_prior(self.full.attempts, self.full.spoken)
        if not self.selected:
            return (Expert(self.full, prior),)
        return (Expert(self.bare, self._bare_prior()), Expert(self.full, prior, SELECTED_SHARE))

    def _bare_prior(self) -> Prior:
        neutral = neutral_prior(self.bare.attempts, self.bare.spoken)
        if len(self._sample) < FEWEST:
            return neutral
        own = class_mean(self._bare_scores, [self.outputs[each][0] for each in self._sample])
        return blended(neutral, own, len(self._sample))

    @cached_property
    def _sample(self) -> list[int]:
        """The examples to learn from: one of each label, then a second of each."""
        rank = BalancedExamples(FirstExamples(), examples=[dict(each) for each in self.examples]).rank("")
        return [place for place in rank if self.outputs[place]][:MEASURED]

    @cached_property
    def _bare_scores(self) -> Matrix:
        return self.bare.scores([self.examples[place]["input"] for place in self._sample])

    def _help(self) -> bool:
        """Whether each half of the examples is told better after the other half was shown."""
        middle = len(self._sample) // 2
        halves = (self._sample[:middle], self._sample[middle:])
        places = (slice(0, middle), slice(middle, None))
        bare = full = 0.0
        for own, other, where in zip(halves, reversed(halves), places, strict=True):
            showing = replace(self.full, prompt=self.bare.prompt.with_examples([self.examples[each] for each in other]))
            without = self._unbiased(self._bare_scores[where], own)
            shown = self._unbiased(showing.scores([self.examples[each]["input"] for each in own]), own)
            bare += self._loss(without, own)
            full += self._loss(shown, own)
        return full < bare

    def _unbiased(self, scores: Matrix, places: Sequence[int]) -> Matrix:
        return np.asarray(scores - class_mean(scores, [self.outputs[each][0] for each in places]))

    def _loss(self, scores: Matrix, places: Sequence[int]) -> float:
        truth = np.zeros((len(places), len(self.bare.spoken)), dtype=bool)
        for row, place in enumerate(places):
            truth[row, list(self.outputs[place])] = True
        return len(places) * Calibration(independent=self.bare.several).log_loss(self.bare.settled(scores), truth)
