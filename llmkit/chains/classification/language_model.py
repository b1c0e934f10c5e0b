"""What a language model says of each label of a text: log-likelihoods with the prior subtracted, over passages."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from llmkit.chains.calibration import ExamplesReport
from llmkit.chains.classification.calibrated_scorer import CalibratedScorer
from llmkit.chains.classification.contextual_calibration import ClassificationTuning
from llmkit.chains.classification.example_use import ExampleChoice, choose, try_calibration, try_model_uses
from llmkit.chains.classification.few_shot import FewShot
from llmkit.chains.classification.long_texts import PooledRow, divide, try_pooled_scores
from llmkit.chains.classification.saving import (
    SavedClassifier,
    ShownExample,
    load_mixture,
    save_mixture,
    validate_same_template,
)
from llmkit.chains.saving import Arrays, take_array, validate_same_method, validate_same_model
from llmkit.chains.scoring import Row, WeightsWatch
from llmkit.errors import InputError
from llmkit.locks import CopyableLock
from llmkit.text.segmentation import Passage


class LanguageModelEvidence:
    """The labels' scores by a language model, whose priors are measured at the first use. Safe for threads.

    Args:
        llm: the model, with `score`.
        learn: makes of labelled examples what is learned from them.
        examples: labelled examples.
        tuning: the numbers that depend on the model.
        multi_label: whether each label holds or not by itself.
    """

    def __init__(
        self,
        llm: Any,
        learn: Callable[[Sequence[Mapping[str, Any]]], FewShot],
        examples: Sequence[Mapping[str, Any]],
        *,
        tuning: ClassificationTuning,
        multi_label: bool,
    ) -> None:
        self.tuning, self.learn = tuning, learn
        self._independent = multi_label
        self._lock, self._weights = CopyableLock(), WeightsWatch(llm)
        self._few_shot = learn(examples)
        self._choice: ExampleChoice | None = None
        self._scorers: tuple[CalibratedScorer, ...] | None = None
        self._noise: float | None = None
        self._loaded_report: ExamplesReport | None = None

    @property
    def shows_examples(self) -> bool:
        """Whether the examples go into the prompt; may have to measure it first."""
        return self.choice().use == "prompt"

    def choice(self) -> ExampleChoice:
        """Return what the examples are used for, which is measured at the first use."""
        with self._lock:
            if self._choice is None:
                self._choice = self._choose()
            return self._choice

    def report(self) -> ExamplesReport | None:
        """Return what was done with the examples, which may have to be measured first; `None` if there are none."""
        with self._lock:
            few_shot = self._few_shot
            if not few_shot.examples or self._loaded_report:
                return self._loaded_report
            words = few_shot.zero_shot.verbalized
            return self.choice().report(len(few_shot.examples), words, few_shot.prior_weight)

    def fit(self, examples: Sequence[Mapping[str, Any]]) -> None:
        """Learn from labelled examples, instead of the former ones; measure them now."""
        found = self.using(self.learn(examples), None)
        found.scorers()
        with self._lock:
            self._few_shot, self._choice, self._scorers = found._few_shot, found._choice, found._scorers
            self._noise = self._loaded_report = None

    def using(self, few_shot: FewShot, choice: ExampleChoice | None) -> LanguageModelEvidence:
        """Return the evidence of the same model that uses other examples; `None` measures for what."""
        other = copy.copy(self)
        other._lock, other._few_shot, other._choice = CopyableLock(), few_shot, choice
        other._scorers = other._noise = other._loaded_report = None
        return other

    def _choose(self) -> ExampleChoice:
        few_shot = self._few_shot
        if (fixed := few_shot.fixed_use) is not None:
            return ExampleChoice(fixed)
        zero_shot, truth = few_shot.zero_shot_scores()
        measured = zero_shot[: len(few_shot.measured)]
        mixture, calibration = try_calibration(zero_shot, truth, independent=self._independent)
        tried = [calibration, *try_model_uses(few_shot, measured, lambda _, scores, __: scores)]
        use = choose(tried)
        return ExampleChoice(use, tuple(tried), mixture if use == "calibration" else None)

    def forget_stale(self) -> bool:
        """Return whether the weights have changed; then all is measured again at the next use."""
        with self._lock:
            if not self._weights.has_changed():
                return False
            self._few_shot = replace(self._few_shot, measured_neutral=None)
            self._choice = self._scorers = self._noise = self._loaded_report = None
            return True

    def warn_uncalibrated(self) -> None:
        """Log that a calibration was undone, because the weights have changed."""
        self._weights.warn_uncalibrated()

    def measure_prior(self, texts: Sequence[str]) -> None:
        """Measure the prior on texts too."""
        if not self._few_shot.calibrated:
            raise InputError("contextual_calibration=False subtracts no prior: give rows with labels, or leave it out")
        parts = [part.text for text in texts for part in self.divide(text)]
        with self._lock:
            self._scorers = tuple(scorer.refit(parts, self.tuning.neutral_weight) for scorer in self.scorers())

    def noise_variance(self) -> float:
        """Return how much the labels' scores vary where the text says nothing, in squared nats."""
        with self._lock:
            if self._noise is None:
                self._noise = float(np.mean([scorer.noise_variance() for scorer in self.scorers()]))
            return self._noise

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return what was learned, to be saved: fields of `SavedClassifier`, and arrays."""
        few_shot = self._few_shot
        if few_shot.selected:
            raise InputError("a chain with a selector cannot be saved: give examples without a selector")
        [scorer] = self.scorers()
        places = few_shot.shown if self.shows_examples else ()
        rows = ((few_shot.examples[place]["input"], few_shot.labels[place]) for place in places)
        shown = [ShownExample(input=text, labels=list(labels)) for text, labels in rows]
        facts = {"contextual_calibration": self._few_shot.calibrated, "tuning": self.tuning, "shown": shown}
        facts |= {"method": scorer.scorer.method, "template": scorer.scorer.template, "examples": self.report()}
        facts["has_mixture"] = scorer.mixture is not None
        arrays = {"prior": scorer.prior, "probe": scorer.scorer.scores(scorer.scorer.probes).ravel()}
        if scorer.mixture:
            arrays["mixture"] = save_mixture(scorer.mixture)
        return facts, arrays

    def restore(self, settings: SavedClassifier, arrays: Arrays) -> None:
        """Take over what was saved; raise `InputError` if it is of another model or prompt."""
        few_shot = self._few_shot
        scorer = few_shot.few_shot if self.shows_examples else few_shot.zero_shot
        validate_same_method(settings.method, scorer.method)
        validate_same_template(settings.template, scorer.template)
        probe = scorer.scores(scorer.probes).ravel()
        saved = take_array(arrays, "probe", len(probe))
        validate_same_model(saved, probe, scorer.max_difference, "its labels' scores")
        prior = take_array(arrays, "prior", len(scorer.continuations))
        mixture = load_mixture(arrays, "mixture", 0, len(scorer.verbalized)) if settings.has_mixture else None
        with self._lock:
            self._scorers = (CalibratedScorer(scorer, prior, mixture=mixture),)
            self._noise, self._loaded_report = settings.noise_variance, settings.examples

    def scorers(self) -> tuple[CalibratedScorer, ...]:
        """Return the scorers, whose priors are measured at the first use."""
        with self._lock:
            if self._scorers is None:
                choice = self.choice()
                self._scorers = self._few_shot.scorers(choice.use, choice.mixture)
            return self._scorers

    def try_scores(self, texts: Sequence[str]) -> list[Row | Exception]:
        """Return the mean score of each label over the scorers, or the error that a text failed with."""
        columns = zip(*(scorer.try_scores(texts) for scorer in self.scorers()), strict=True)
        return [
            next((row for row in rows if isinstance(row, Exception)), None) or np.mean(rows, axis=0) for rows in columns
        ]

    def try_pooled_scores(self, texts: Sequence[str]) -> list[PooledRow | Exception]:
        """Return the scores of each text, pooled over its passages where it does not fit the window."""
        return try_pooled_scores(self.try_scores, self.divide, texts, independent=self._independent)

    def divide(self, text: str) -> list[Passage]:
        """Divide a text into passages that fit the prompt; one that fits is one passage."""
        scorer = self.scorers()[0].scorer
        longest = min(self.tuning.max_passage_tokens, scorer.context_window // 2)  # the rest is for examples
        return divide(text, scorer.fit, scorer.llm, longest)
