"""Labels by how likely the model finds them: scored, never parsed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
from langchain_core.documents import Document
from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.runnables import Runnable, RunnableConfig
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from llmkit.chains.base import Chain
from llmkit.chains.calibration import Calibration, Matrix, threshold_for
from llmkit.chains.classification.contextual_calibration import blended
from llmkit.chains.classification.few_shot import Expert, Shots
from llmkit.chains.classification.scorer import LabelScorer, Row
from llmkit.chains.classification.structured import choose_labels
from llmkit.chains.inputs import Text, TextInput, parse_text, validate_prompt, validate_share
from llmkit.chains.labels import Labels
from llmkit.chains.scoring import scoring_model
from llmkit.chains.structured import StructuredTask
from llmkit.errors import InputError
from llmkit.prompts import TaskPrompt

Answers = Sequence[str | Sequence[str]]


class Classification(BaseModel):
    """What a text is about.

    Attributes:
        label: the most likely label; `None` below the chain's threshold.
        labels: with `multi_label`, every label that holds, the most likely first; else the one label, if any.
        scores: the probability of each label, in the order in which the labels were given. They add up to one; with
            `multi_label` each lies between 0 and 1 for itself. Empty for a model that tells no likelihoods.
        method: "likelihood", or "structured output" for a model that tells none and was asked to choose.
    """

    model_config = ConfigDict(frozen=True)

    label: str | None
    labels: tuple[str, ...]
    scores: dict[str, float]
    method: Literal["likelihood", "structured output"] = "likelihood"


@dataclass(frozen=True)
class Fit:
    """What `fit_temperature` found; the mean log-losses, in nats, are over the texts that it was given."""

    log_loss_before: float
    log_loss_after: float
    calibration: Calibration


class ZeroShotClassificationChain(Chain[Text, str, Classification]):
    """Text in, `Classification` out: the labels are scored behind the text, and freed of the model's bias.

    Example:
        >>> chain = ZeroShotClassificationChain(HuggingFaceChat(), labels=["sports", "politics"])
        >>> chain.invoke("The match ended 3 to 2.").label
        'sports'

    A text's result does not depend on the texts beside it, unless `prior="batch"` asks for that; in bfloat16 rounding
    may move a probability by some hundredths from one batch to another.

    Args:
        llm: any LangChain chat model. One that has `score` (llmkit's own) tells likelihoods; another chooses.
        labels: at least two; with `multi_label`, at least one.
        descriptions: words for a label, which the model sees in its place: good for codes and bare names.
        examples: `{"input": text, "output": label}`; with `multi_label`, `output` may be a list of labels.
        selector: ranks the examples for each text. Without one, up to 16 may be shown, as many of each label.
        multi_label: whether any number of labels may hold: each is scored against whatever else the text could be.
        calibrate: whether to take off what the model believes of the labels before it has read the text.
        prior: "neutral" learns that from texts that say nothing, and from the examples; "batch" also from the
            texts of the same call, so that a text's result depends on its neighbours.
        threshold: the least probability of an answer; 0.5 with `multi_label`, else none.
        prompt: the name of a prompt text or a prompt; a field {labels} in it lists the labels.
        show_examples: whether the examples go into the prompt. `None` measures, once, whether that helps; if it
            does not, they only tell the model's bias. With a selector, with `calibrate=False`, and if there are
            fewer than four, they are shown.
        context_window: in tokens; needed for a model that does not tell its own.

    Raises:
        InputError: labels, descriptions or examples are wrong, says which; or a text is empty.
        PromptError: the prompt is wrong.
        ContextWindowExceeded: a text and the longest label are larger than the window.
    """

    tool_name = "classify_text"
    tool_description = "Say which of the labels fits a text, with the probability of each."
    tool_input = TextInput

    def __init__(
        self,
        llm: Runnable[Any, Any],
        labels: Iterable[str],
        descriptions: Mapping[str, str] | None = None,
        examples: Sequence[Mapping[str, Any]] = (),
        selector: BaseExampleSelector | None = None,
        *,
        multi_label: bool = False,
        calibrate: bool = True,
        prior: Literal["neutral", "batch"] = "neutral",
        threshold: float | None = None,
        prompt: str | TaskPrompt | None = None,
        show_examples: bool | None = None,
        context_window: int | None = None,
    ) -> None:
        if prior not in ("neutral", "batch"):
            raise InputError(f"prior is {prior!r}, but must be 'neutral' or 'batch'; for your own texts, use fit_prior")
        self._labels = Labels.validate(labels, descriptions, multi_label=multi_label)
        self.multi_label, self.calibrate, self._by_batch = multi_label, calibrate, prior == "batch"
        self.threshold = 0.5 if multi_label else None
        if threshold is not None:
            self.threshold = validate_share(threshold, "threshold")
        self.calibration = Calibration(independent=multi_label)
        self._known: tuple[Matrix, NDArray[np.bool_]] | None = None  # what fit_temperature was given
        self._lock = threading.RLock()
        self._shots: Shots | None = None
        self._chooser: StructuredTask[str, tuple[str, ...]] | None = None
        if local := scoring_model(llm):
            asking = _prompt(prompt or "classify", self._labels)
            bare = LabelScorer.over(local, asking, self._labels, context_window)
            show = True if show_examples is None and not calibrate else show_examples
            self._shots = Shots.over(bare, self._labels, examples, selector, show)
        elif threshold is not None or self._by_batch:
            what = "prior='batch'" if threshold is None else "a threshold"
            raise InputError(f"{type(llm).__name__} tells no likelihoods, which {what} needs: leave it out")
        else:
            asking = _prompt(prompt or "choose-label", self._labels)
            self._chooser = choose_labels(llm, asking, self._labels, examples, selector)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, as they were given."""
        return self._labels.names

    @property
    def shows_examples(self) -> bool:
        """Whether the examples go into the prompt; may have to measure it first."""
        with self._lock:
            return self._shots.shown if self._shots else True

    def prepare(self, input: Text) -> str:
        """Check that the text is not empty."""
        return parse_text(input)

    def run(self, prepared: Sequence[str], configs: Sequence[RunnableConfig]) -> list[Classification | Exception]:
        """Classify all texts: those whose prompts begin alike go through the model together."""
        return self._chosen(self._chooser, prepared, configs) if self._chooser else self._scored(prepared)

    def fit_prior(self, texts: Sequence[Text]) -> None:
        """Learn the model's bias from texts like those to come; they need no labels. Fifty are plenty, ten help.

        Call it before `fit_temperature`: what that found out no longer holds, and is forgotten.

        Raises:
            InputError: there are no texts, one is empty, the model tells no likelihoods, or `calibrate=False`.
        """
        if not self.calibrate:
            raise InputError("calibrate=False takes no bias off the scores, so there is none to learn: leave it out")
        given = _parse_texts(texts)
        with self._lock:
            learned = [
                replace(each, prior=blended(each.prior, each.scorer.scores(given).mean(axis=0), len(given)), share=1.0)
                for each in self._experts
            ]
            self.__dict__["_experts"] = tuple(learned)
            self.calibration, self._known = Calibration(independent=self.multi_label), None

    def fit_temperature(self, texts: Sequence[Text], labels: Answers) -> Fit:
        """Learn from labelled texts how far the scores can be trusted, and how much each label is over- or underrated.

        Platt scaling with one temperature for all labels (Guo et al. 2017).

        Raises:
            InputError: there are no texts, texts and labels differ in number, or a label is unknown.
        """
        scores, truth = self._labelled(texts, labels)
        before = Calibration(independent=self.multi_label)
        self.calibration, self._known = before.fitted(scores, truth), (scores, truth)
        return Fit(before.log_loss(scores, truth), self.calibration.log_loss(scores, truth), self.calibration)

    def threshold_for(
        self, precision: float, texts: Sequence[Text] | None = None, labels: Answers | None = None
    ) -> float:
        """Find the least probability at which answers are right this often, and give no label below it from now on.

        The labelled texts are those of `fit_temperature`, where none are given. Setting `chain.threshold` undoes it.

        Raises:
            InputError: there are no labelled texts, or no threshold reaches the precision on them.
        """
        if not 0 < precision <= 1:
            raise InputError(f"precision is {precision!r}, but must be above 0 and at most 1")
        if (texts is None) != (labels is None):
            raise InputError("threshold_for needs both texts and labels, or neither after fit_temperature")
        if texts is not None and labels is not None:
            self._known = self._labelled(texts, labels)
        if self._known is None:
            raise InputError("threshold_for needs labelled texts: give texts and labels, or call fit_temperature first")
        scores, truth = self._known
        chances = self.calibration.probabilities(scores)
        if not self.multi_label:
            best = chances.argmax(axis=1)[:, None]
            chances, truth = np.take_along_axis(chances, best, 1), np.take_along_axis(truth, best, 1)
        found = threshold_for(chances.ravel(), truth.ravel(), precision)
        if found is None:
            raise InputError(f"no threshold reaches a precision of {precision} on these texts: ask for less")
        self.threshold = found
        return found

    @cached_property
    def _experts(self) -> tuple[Expert, ...]:
        if self._shots is None:
            raise InputError("this model tells no likelihoods, so there is nothing to fit: use HuggingFaceChat")
        if self.calibrate:
            return self._shots.experts
        scorer = self._shots.full if self._shots.shown else self._shots.bare
        return (Expert(scorer, np.zeros(len(scorer.continuations))),)

    def _corrected(self, texts: Sequence[str]) -> list[Row | Exception]:
        """Each text's scores, freed of the model's bias, or the error that kept it from being scored."""
        with self._lock:
            experts = self._experts
        columns = [each.attempts(texts, by_batch=self._by_batch and self.calibrate) for each in experts]
        return [
            next((each for each in rows if isinstance(each, Exception)), None) or np.mean(cast(list[Row], rows), axis=0)
            for rows in zip(*columns, strict=True)
        ]

    def _scored(self, texts: Sequence[str]) -> list[Classification | Exception]:
        rows = self._corrected(texts)
        return [row if isinstance(row, Exception) else self._classification(row) for row in rows]

    def _classification(self, row: Row) -> Classification:
        chances = self.calibration.probabilities(row[None])[0]
        ranked = [int(place) for place in np.argsort(-chances, kind="stable")]
        held = [self.labels[place] for place in ranked if self.threshold is None or chances[place] >= self.threshold]
        scores = dict(zip(self.labels, map(float, chances), strict=True))
        labels = tuple(held if self.multi_label else held[:1])
        return Classification(label=next(iter(labels), None), labels=labels, scores=scores)

    def _chosen(
        self, chooser: StructuredTask[str, tuple[str, ...]], texts: Sequence[str], configs: Sequence[RunnableConfig]
    ) -> list[Classification | Exception]:
        return [
            each
            if isinstance(each, Exception)
            else Classification(label=next(iter(each), None), labels=each, scores={}, method="structured output")
            for each in chooser.run(texts, configs)
        ]

    def _labelled(self, texts: Sequence[Text], labels: Answers) -> tuple[Matrix, NDArray[np.bool_]]:
        if len(texts) != len(labels):
            raise InputError(f"there are {len(texts)} texts and {len(labels)} labels: give one label for each text")
        given = _parse_texts(texts)
        truth = np.zeros((len(given), len(self.labels)), dtype=bool)
        for number, label in enumerate(labels):
            truth[number, self._labels.indices(label, f"text {number + 1}")] = True
        rows = self._corrected(given)
        for row in rows:
            if isinstance(row, Exception):
                raise row
        return np.stack(cast(list[Row], rows)), truth


def _prompt(prompt: str | TaskPrompt, labels: Labels) -> TaskPrompt:
    asking = validate_prompt(prompt, ["labels"])
    return asking.partial(labels=labels.listed()) if "labels" in asking.input_variables else asking


def _parse_texts(texts: Sequence[Text]) -> list[str]:
    if isinstance(texts, str | Document):
        raise InputError("texts is one text, but must be a list of texts")
    if not len(texts):
        raise InputError("there are no texts to learn from")
    found = []
    for number, text in enumerate(texts, 1):
        try:
            found.append(parse_text(text))
        except InputError as error:
            raise InputError(f"text {number}: {error}") from error
    return found
