"""Zero- and few-shot classification: labels are scored after the text, never generated or parsed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.runnables import RunnableConfig
from numpy.typing import NDArray

from llmkit.chains.base import Chain, unwrap_all
from llmkit.chains.calibration import (
    Calibration,
    CalibrationReport,
    ExamplesReport,
    fit_calibration,
    validate_precision,
    warn_of_few,
)
from llmkit.chains.capabilities import refuse_unread
from llmkit.chains.classification.contextual_calibration import NEUTRAL, SMOLLM2_135M, ClassificationTuning
from llmkit.chains.classification.embedder import find_embedder
from llmkit.chains.classification.encoder_scorer import find_scorer
from llmkit.chains.classification.few_shot import FewShot
from llmkit.chains.classification.joint_evidence import JointEvidence, collect_evidence
from llmkit.chains.classification.language_model import LanguageModelEvidence
from llmkit.chains.classification.long_texts import PooledRow
from llmkit.chains.classification.results import Classification, Method, parse_rows
from llmkit.chains.classification.structured import LabelChoice, refuse_unscored
from llmkit.chains.inputs import Text, TextInput, parse_text, refuse_prompts, validate_prompt, validate_share
from llmkit.chains.labels import Labels
from llmkit.chains.scoring import scoring_model
from llmkit.chains.tuning import select_tuning
from llmkit.errors import InputError
from llmkit.locks import CopyableLock
from llmkit.prompts import TaskPrompt


class ZeroShotClassificationChain(Chain[Text, str, Classification]):
    """Classify texts by the log-likelihoods of the labels, with the model's prior subtracted.

    Example:
        >>> chain = ZeroShotClassificationChain(HuggingFaceChat(), labels=["sports", "politics"])
        >>> chain.invoke("The match ended 3 to 2.").label
        'sports'

    A text that is longer than the context window is read in passages, and its probabilities are their means.

    A text's result does not depend on the texts beside it in a batch, except for rounding: in bfloat16 a probability
    may differ by some hundredths.

    Args:
        llm: a LangChain chat model. With `score` (llmkit's own models), labels are scored; without, the model chooses
            by structured output. Or a `HuggingFaceEncoder`: a classifier of entailment, a cross-encoder, a sentence
            embedder, a masked language model, or a classifier that has these labels.
        labels: at least two; with `multi_label`, at least one.
        descriptions: words for a label, which the model sees instead of it: for codes and bare names.
        examples: `{"input": text, "output": label}`; with `multi_label`, `output` may be a list of labels.
        selector: ranks the examples for each text. Without one, up to 16 are shown, as many of each label.
        embedder: a second kind of evidence: any LangChain `Embeddings`, or one of the catalog by its name,
            "minilm-l6". It counts beside the model, which counts by how well it can tell the labels apart. From
            examples a classifier head is learned then, which needs no more than some of each label.
        multi_label: whether any number of labels may hold: each is scored against what else the text could be.
        contextual_calibration: whether the prior of each label is subtracted (Zhao et al. 2021): its mean score over
            content-free texts and, where there are enough, the examples. By default it is, except for models that are
            trained to judge labels: classifiers of entailment and others, and cross-encoders.
        threshold: the least probability of a label; 0.5 with `multi_label`, else none.
        prompt: a prompt text by name, or a prompt; its field {labels}, if any, lists the labels.
        structured_prompt: the same for a model that returns no log-likelihoods, which is asked to choose a label.
        show_examples: whether the examples go into the prompt. `None` measures once whether that helps; if not, they
            are only used for the prior. With a selector, with `contextual_calibration=False`, or with fewer than
            four, they are shown. With an embedder they are shown only if this is `True` or there is a selector.
        max_accuracy_loss: with an embedder and at least 100 examples: the language model is not asked about texts of
            which the embedder is so sure that this costs at most this much accuracy, measured by cross-validation on
            the examples; 0.005 is half a point. `None` always asks it.
        tuning: numbers that depend on the model; by default those fitted on it, or else neutral ones.
        context_window: in tokens; needed for a model that does not report its window.

    Raises:
        InputError: a label, a description, an example or a text is wrong; says which.
        PromptError: the prompt is wrong.
        ContextWindowExceeded: the window does not hold a short passage and the longest label together.
    """

    tool_name = "classify_text"
    tool_description = "Say which label fits a text, with the probability of each label."
    tool_input = TextInput

    def __init__(
        self,
        llm: Any,
        labels: Iterable[str],
        descriptions: Mapping[str, str] | None = None,
        examples: Sequence[Mapping[str, Any]] = (),
        selector: BaseExampleSelector | None = None,
        embedder: Embeddings | str | None = None,
        *,
        multi_label: bool = False,
        contextual_calibration: bool | None = None,
        threshold: float | None = None,
        prompt: str | TaskPrompt | None = None,
        structured_prompt: str | TaskPrompt | None = None,
        show_examples: bool | None = None,
        max_accuracy_loss: float | None = 0.005,
        tuning: ClassificationTuning | None = None,
        context_window: int | None = None,
    ) -> None:
        self.llm, local = llm, scoring_model(llm, "label_scores")
        self._method: Method = getattr(local, "label_method", "likelihood")
        if self._method != "likelihood":
            refuse_unread(llm, prompt=prompt, selector=selector, show_examples=show_examples)
            if embedder is not None:
                raise InputError(f"embedder is given, but {type(llm).__name__} is no language model: leave it out")
            show_examples = False
        if contextual_calibration is None:
            contextual_calibration = getattr(local, "prefers_labels", True)
        self._labels = Labels.validate(labels, descriptions, multi_label=multi_label)
        self.multi_label, self.contextual_calibration = multi_label, contextual_calibration
        default = 0.5 if multi_label else None
        self.threshold = default if threshold is None else validate_share(threshold, "threshold")
        self._uncalibrated_threshold = self.threshold
        self.calibration = Calibration(independent=multi_label)
        self.tuning = select_tuning(local, tuning, SMOLLM2_135M, NEUTRAL)
        self._lock = CopyableLock()
        self._evidence: LanguageModelEvidence | JointEvidence | None = None
        self._choice: LabelChoice | None = None
        if local is None:
            refuse_unscored(llm, {"a threshold": threshold, "an embedder": embedder})
            refuse_prompts(llm, "structured_prompt", prompt=prompt)
        else:
            refuse_prompts(llm, "prompt", structured_prompt=structured_prompt)
        fallback = "classify" if local else "choose-label"
        task = validate_prompt(prompt or structured_prompt or fallback, "classify", ["labels"])
        if "labels" in task.input_variables:
            task = task.partial(labels=self._labels.listed())
        if local is None:
            self._show_to_model = partial(LabelChoice.from_labels, llm, task, self._labels, selector, context_window)
            self._choice = self._show_to_model(examples)
            return
        scorer: Any = find_scorer(local, task, self._labels, self.tuning.alternatives, context_window)
        show = True if show_examples is None and not contextual_calibration else show_examples
        learn = partial(FewShot.from_examples, scorer, self._labels, selector, show, self.tuning)
        model = partial(
            LanguageModelEvidence,
            local,
            learn,
            tuning=self.tuning,
            contextual_calibration=contextual_calibration,
            multi_label=multi_label,
        )
        shown = bool(show_examples) or selector is not None
        self._evidence = collect_evidence(
            model, find_embedder(embedder), scorer, examples, shown=shown, max_accuracy_loss=max_accuracy_loss
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, as they were given."""
        return self._labels.names

    @property
    def shows_examples(self) -> bool:
        """Whether the examples go into the prompt; may have to measure it first."""
        return self._evidence.shows_examples if self._evidence else True

    def examples_report(self) -> ExamplesReport | None:
        """Return what was done with the examples, which may have to be measured first.

        `None` without examples, and for a model that returns no log-likelihoods, which sees them all.
        """
        return self._evidence.report() if self._evidence else None

    def fit(self, examples: Sequence[Mapping[str, Any]]) -> Self:
        """Learn from labelled examples, instead of those of the constructor, and return the chain.

        What they show is measured now, not at the first use. A calibration is undone: `calibrate` comes after `fit`.

        Args:
            examples: in the form of the constructor's.

        Raises:
            InputError: an example is wrong, says which. Nothing changes then.
        """
        with self._lock:
            if self._evidence is None:
                self._choice = self._show_to_model(examples)
                return self
            self._evidence.fit(examples)
            self._undo_calibration()
        return self

    def prepare(self, input: Text) -> str:
        """Check that the text is not empty."""
        return parse_text(input)

    def run(self, prepared: Sequence[str], configs: Sequence[RunnableConfig]) -> list[Classification | Exception]:
        """Classify all texts: those whose prompts begin alike go through the model together."""
        self._forget_stale()
        if self._choice:
            chosen = self._choice.run(prepared, configs)
            return [
                choice if isinstance(choice, Exception) else Classification.without_scores(*choice) for choice in chosen
            ]
        return [
            scored if isinstance(scored, Exception) else self._classification(scored)
            for scored in self._require_evidence().try_pooled_scores(prepared)
        ]

    def calibrate(self, rows: Sequence[Any], *, precision: float | None = None) -> CalibrationReport:
        """Measure the prior on texts like those to come or, if they are labelled, fit the probabilities to them.

        Without labels, fifty texts are plenty, and ten help; an earlier calibration is undone, so measure the prior
        first. With labels, a temperature and a bias for each label are fitted (Guo et al. 2017), and results say that
        they are calibrated from then on.

        Args:
            rows: texts or Documents; or labelled texts in the form of the examples, `{"input": …, "output": label}`.
            precision: for labelled rows: also set `threshold` to the lowest one at which labels were right this often.

        Raises:
            InputError: a row is wrong, says which; the model returns no log-likelihoods; or no threshold reaches the
                precision. Nothing changes then.
        """
        validate_precision(precision)
        self._forget_stale()
        texts, labels = parse_rows(rows)
        if labels is None:
            if precision is not None:
                raise InputError("precision needs labelled rows: give {'input': text, 'output': label}")
            return self._measure_prior(texts)
        indices = [self._labels.indices(label, f"row {number}") for number, label in enumerate(labels, 1)]
        if len(set(map(tuple, indices))) < 2:
            raise InputError("all rows have the same label: probabilities can be fitted to rows of at least two labels")
        truth = np.array([[label in row for label in range(len(self.labels))] for row in indices])
        report = self._fit(texts, truth, precision)
        warn_of_few(len(rows))
        return report

    def _forget_stale(self) -> None:
        """Forget what was measured with other weights: the prior is measured again, a calibration is undone."""
        with self._lock:
            if self._evidence is None or not self._evidence.forget_stale():
                return
            if self.calibration != Calibration(independent=self.multi_label):
                self._evidence.warn_uncalibrated()
            self._undo_calibration()

    def _undo_calibration(self) -> None:
        self.calibration, self.threshold = Calibration(independent=self.multi_label), self._uncalibrated_threshold

    def _require_evidence(self) -> LanguageModelEvidence | JointEvidence:
        if self._evidence is None:
            raise InputError("this model returns no log-likelihoods, so there is nothing to fit: use HuggingFaceChat")
        return self._evidence

    def _measure_prior(self, texts: Sequence[str]) -> CalibrationReport:
        with self._lock:
            self._require_evidence().measure_prior(texts)
            self._undo_calibration()
        return CalibrationReport(len(texts), self.calibration)

    def _fit(self, texts: Sequence[str], truth: NDArray[np.bool_], precision: float | None) -> CalibrationReport:
        scores = np.stack([pooled.row for pooled in unwrap_all(self._require_evidence().try_pooled_scores(texts))])
        report = fit_calibration(scores, truth, precision, independent=self.multi_label)
        with self._lock:
            self.calibration = report.calibration
            self.threshold = self.threshold if report.threshold is None else report.threshold
        return report

    def _classification(self, pooled: PooledRow) -> Classification:
        calibration, threshold = self.calibration, self.threshold
        probabilities = calibration.probabilities(pooled.row[None])[0]
        return Classification.from_probabilities(
            dict(zip(self.labels, map(float, probabilities), strict=True)),
            threshold,
            multi_label=self.multi_label,
            calibrated=calibration != Calibration(independent=self.multi_label),
            passages=pooled.passages,
            evidence=pooled.evidence,
            method=self._method,
        )
