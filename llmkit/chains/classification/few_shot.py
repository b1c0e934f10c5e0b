"""Labelled examples: what a model scores of them, without them in its prompt, with them, and with them in its prior.

Small models often get worse with examples in their prompt: they copy the labels that they have just seen. So it is
measured on the examples themselves before any of them is shown (see `example_use`). Examples that are selected for each
text are always shown, and the prompt without them gets half of the weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from langchain_core.example_selectors import BaseExampleSelector
from numpy.typing import NDArray

from llmkit.chains.base import attempt
from llmkit.chains.calibration import ExampleUse, Matrix
from llmkit.chains.classification.calibrated_scorer import CalibratedScorer
from llmkit.chains.classification.contextual_calibration import (
    ClassificationTuning,
    NeutralScores,
    Prior,
    blend,
    class_mean,
    neutral_scores,
)
from llmkit.chains.classification.encoder_scorer import Scorer
from llmkit.chains.classification.mixture import Mixture, Truth, assign_folds, balanced_order
from llmkit.chains.labels import Labels
from llmkit.prompts import BalancedExamples, ExampleSelector, FirstExamples

MAX_SHOWN = 16
"""At most so many examples go into a prompt, where the caller gives no selector."""
MAX_MEASURED = 48
"""At most so many examples are scored to measure the prior, and to try a prompt that has a third of them."""
MIN_MEASURED = 4
"""With fewer examples nothing can be measured: they are shown."""
MAX_SCORES = 8192
"""About the most labels that a language model scores after labelled texts, all texts together."""
MIN_SCORED = 64
"""Labelled texts that it scores at least, if there are so many."""


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
class FewShot:
    """Labelled examples, and the prompt without and with them.

    Attributes:
        zero_shot, few_shot: scorers without and with examples; the same if there are none.
        examples, labels: with the labels' words as outputs, and the indices of the labels.
        selected: whether a selector of the caller chooses examples for each text.
        show: whether the examples go into the prompt; `None` measures it.
        calibrated: whether a prior is subtracted.
        measured_neutral: the content-free scores of `zero_shot`, if they are known.
    """

    zero_shot: Scorer
    few_shot: Scorer
    examples: Sequence[Mapping[str, str]]
    labels: Sequence[Sequence[int]]
    selected: bool
    show: bool | None
    tuning: ClassificationTuning
    calibrated: bool = True
    measured_neutral: NeutralScores | None = None

    @classmethod
    def from_examples(
        cls,
        zero_shot: Scorer,
        labels: Labels,
        selector: BaseExampleSelector | None,
        show: bool | None,
        tuning: ClassificationTuning,
        examples: Sequence[Mapping[str, Any]],
        *,
        calibrated: bool = True,
    ) -> FewShot:
        """Validate the examples and verbalize their labels."""
        verbalized, indices, selector = verbalize(labels, examples, selector)
        few_shot = zero_shot
        if verbalized or selector:
            few_shot = zero_shot.with_examples(verbalized, selector or BalancedExamples(FirstExamples(), MAX_SHOWN))
        return cls(zero_shot, few_shot, verbalized, indices, selector is not None, show, tuning, calibrated)

    @property
    def fixed_use(self) -> ExampleUse | None:
        """What the caller, or the number of the examples, says that they are used for; `None` if that is measured."""
        if not self.show and not self.selected and len(np.unique(self.truth, axis=0)) < 2:
            return "none"  # examples of one label say only that it is frequent
        is_few = len(self.measured) < MIN_MEASURED
        can_show = self.few_shot is not self.zero_shot and self.show is not False
        if can_show and (self.show or self.selected or is_few or not self.calibrated):
            return "prompt"
        return "none" if is_few else None

    @cached_property
    def distinct(self) -> list[int]:
        """The indices of the different examples, in an order that depends on neither theirs nor that of the labels."""
        words = [str(each) for each in self.zero_shot.verbalized]
        rows = [(tuple(sorted(words[label] for label in labels)), row["input"]) for row, labels in self._rows]
        keys = {key: place for place, key in enumerate(rows)}
        return [keys[key] for key in sorted(keys)]

    @cached_property
    def texts(self) -> list[str]:
        """The texts of the different examples."""
        return [self.examples[place]["input"] for place in self.distinct]

    @cached_property
    def truth(self) -> Truth:
        """Which labels hold for the different examples, [examples, labels]."""
        count = len(self.zero_shot.verbalized)
        rows = [[label in self.labels[place] for label in range(count)] for place in self.distinct]
        return np.array(rows, dtype=bool).reshape(-1, count)

    @cached_property
    def sample(self) -> list[int]:
        """The places of the different examples that the model scores; as many of each label, if there are so many."""
        size = max(MIN_SCORED, MAX_SCORES // len(self.zero_shot.verbalized))
        return balanced_order(self.truth)[:size]

    @cached_property
    def measured(self) -> list[int]:
        """Those of the sample that the prior is measured on: they have a label, and fit the prompt."""
        labelled = (place for place in self.sample if self.truth[place].any())
        return list(islice((place for place in labelled if self._fits(self.texts[place])), MAX_MEASURED))

    @property
    def prior_weight(self) -> float:
        """The weight of the examples in the prior."""
        return len(self.measured) / (len(self.measured) + self.tuning.neutral_weight)

    @cached_property
    def neutral(self) -> NeutralScores:
        """The scores of content-free texts, without examples."""
        scorer = self.zero_shot
        return self.measured_neutral or neutral_scores(scorer.try_scores, scorer.verbalized, scorer.max_prior_scores)

    @cached_property
    def raw_scores(self) -> Matrix:
        """The scores of the measured examples without examples in the prompt, [measured, continuations]."""
        return self.zero_shot.scores([self.texts[place] for place in self.measured])

    def zero_shot_scores(self) -> tuple[Matrix, Truth]:
        """Return the label scores of the sample without examples, first those of the measured ones, and their truth.

        Examples that do not fit the prompt are left out.
        """
        known = set(self.measured)
        rest = [place for place in self.sample if place not in known and self._fits(self.texts[place])]
        raw = self.raw_scores
        if rest:
            raw = np.vstack([raw, self.zero_shot.scores([self.texts[place] for place in rest])])
        prior = self.neutral.prior if self.calibrated else 0.0
        return self.zero_shot.label_scores(raw - prior), self.truth[[*self.measured, *rest]]

    def scorers(self, use: ExampleUse, mixture: Mixture | None = None) -> tuple[CalibratedScorer, ...]:
        """Return the scorers whose scores are averaged for each text, and measure their priors."""
        if not self.calibrated:
            scorer = self.few_shot if use == "prompt" else self.zero_shot
            return (CalibratedScorer(scorer, np.zeros(len(scorer.continuations)), mixture=mixture),)
        prior = self.neutral.prior if use != "prompt" or self.selected else None
        if use == "prior" or (use == "prompt" and self.selected and len(self.measured) >= MIN_MEASURED):
            prior = self._blended(range(len(self.measured)))
        without = [] if prior is None else [CalibratedScorer(self.zero_shot, prior, 1.0, self.neutral, mixture)]
        if use != "prompt":
            return tuple(without)
        if self.fixed_use is None:
            return (self.tried_prompt,)
        scorer = self.few_shot
        neutral = neutral_scores(scorer.try_scores, scorer.verbalized, scorer.max_prior_scores)
        share = self.tuning.selected_share if self.selected else 1.0
        return (*without, CalibratedScorer(scorer, neutral.prior, share, neutral))

    @property
    def shown(self) -> list[int]:
        """The indices of the examples that a prompt shows, unless a selector ranks them.

        Where that is measured, they are the examples of the prompt that was tried: with others, or in another order, a
        prompt may be far worse (Lu et al. 2022).
        """
        if self.fixed_use == "prompt":
            return list(range(len(self.examples)))
        return [self.distinct[place] for place in self.measured[: self._tried_count]]

    @cached_property
    def tried_prompt(self) -> CalibratedScorer:
        """The prompt with some of the measured examples, and its prior."""
        scorer: Any = self.zero_shot.with_examples([self.examples[place] for place in self.shown])
        neutral = neutral_scores(scorer.try_scores, scorer.verbalized, scorer.max_prior_scores)
        return CalibratedScorer(scorer, neutral.prior, neutral=neutral)

    @property
    def _tried_count(self) -> int:
        return min(MAX_SHOWN, len(self.measured) // 2)

    def try_prior(self) -> Matrix:
        """Return the label scores of the measured examples, each with a prior measured on others."""
        folds, scores = assign_folds(self.truth[self.measured]), np.empty_like(self.raw_scores)
        for fold in np.unique(folds):
            scores[folds == fold] = self.raw_scores[folds == fold] - self._blended(np.flatnonzero(folds != fold))
        return self.zero_shot.label_scores(scores)

    def try_prompt(self) -> Iterator[tuple[list[int], Matrix, float]]:
        """Yield indices of measured examples that are not in the tried prompt, their label scores, and the noise.

        The noise is the variance of the scores where the text says nothing. The examples come in two parts.
        """
        found, rest = self.tried_prompt, range(self._tried_count, len(self.measured))
        for part in (rest[:MAX_SHOWN], rest[MAX_SHOWN:]):
            if part:
                raw = found.scorer.scores([self.texts[self.measured[index]] for index in part])
                yield list(part), found.scorer.label_scores(raw - found.prior), found.noise_variance()

    @property
    def can_try_prompt(self) -> bool:
        """Whether a prompt with examples is one of the ways: not with more labels than it shows examples of."""
        is_open = self.few_shot is not self.zero_shot and self.show is None and not self.selected
        return is_open and len(self.zero_shot.verbalized) <= MAX_SHOWN

    @property
    def _rows(self) -> Iterator[tuple[Mapping[str, str], Sequence[int]]]:
        return zip(self.examples, self.labels, strict=True)

    def _fits(self, text: str) -> bool:
        return not isinstance(attempt(self.zero_shot.fit, text), Exception)

    def _blended(self, indices: Sequence[int] | NDArray[np.intp]) -> Prior:
        """Return the prior that some of the measured examples count in."""
        places = [self.measured[index] for index in indices]
        first = [int(self.truth[place].argmax()) for place in places]
        measured = class_mean(self.raw_scores[list(indices)], first)
        return blend(self.neutral.prior, measured, len(places), self.tuning.neutral_weight)
