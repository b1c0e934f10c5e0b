"""Zero- and few-shot classification: labels are scored after the text, never generated or parsed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Self

from langchain_core.embeddings import Embeddings
from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.runnables import RunnableConfig

from llmkit.chains.calibration import CalibrationReport, ExamplesReport, validate_precision
from llmkit.chains.capabilities import refuse_unread
from llmkit.chains.classification.calibrated import CalibratedClassifier
from llmkit.chains.classification.contextual_calibration import NEUTRAL, SMOLLM2_135M, ClassificationTuning
from llmkit.chains.classification.encoder_scorer import find_scorer
from llmkit.chains.classification.few_shot import FewShot
from llmkit.chains.classification.joint_evidence import collect_evidence
from llmkit.chains.classification.language_model import LanguageModelEvidence
from llmkit.chains.classification.results import Classification, Method, parse_rows
from llmkit.chains.classification.saving import SavedClassifier, load_rows, save_rows
from llmkit.chains.classification.structured import LabelChoice, refuse_unscored
from llmkit.chains.guarantees.guarantee import DEFAULT_CONFIDENCE, validate_guarantee
from llmkit.chains.inputs import Text, TextInput, parse_text, refuse_prompts, validate_examples, validate_prompt
from llmkit.chains.labels import Labels
from llmkit.chains.saving import read_chain, validate_embedder_given, write_chain
from llmkit.chains.scoring import scoring_model
from llmkit.chains.tuning import select_tuning
from llmkit.errors import InputError
from llmkit.models.embeddings import find_embedder
from llmkit.prompts import TaskPrompt


class ZeroShotClassificationChain(CalibratedClassifier):
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
        examples: `{"input": text, "output": label}`; with `multi_label`, `output` may be a list of labels. They are
            used in the way that is best on examples that it did not learn from, if that is better than zero-shot by
            more than chance: in the prompt, the prior, a temperature and biases or, with an embedder, a head.
        selector: ranks the examples for each text. Without one, up to 16 are shown, as many of each label.
        embedder: a second kind of evidence: any LangChain `Embeddings`, or one of the catalog by its name,
            "minilm-l6". It counts beside the model, which counts by how well it can tell the labels apart.
        multi_label: whether any number of labels may hold: each is scored against what else the text could be.
        contextual_calibration: whether the prior of each label is subtracted (Zhao et al. 2021): its mean score over
            content-free texts and, where there are enough, the examples. By default it is, except for models that are
            trained to judge labels: classifiers of entailment and others, and cross-encoders.
        threshold: the least probability of a label; 0.5 with `multi_label`, else none.
        prompt: a prompt text by name, or a prompt; its field {labels}, if any, lists the labels.
        structured_prompt: the same for a model that returns no log-likelihoods, which is asked to choose a label.
        show_examples: whether the examples go into the prompt. `None` measures whether that helps. With a selector and,
            without an embedder, with `contextual_calibration=False` or fewer than four examples, they are shown.
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
            refuse_unread(llm, prompt=prompt, selector=selector, embedder=embedder, show_examples=show_examples)
            show_examples = False
        super().__init__(Labels.validate(labels, descriptions, multi_label=multi_label), threshold)
        has_prior = getattr(local, "prefers_labels", True) if contextual_calibration is None else contextual_calibration
        self.contextual_calibration: bool = has_prior
        self.tuning = select_tuning(local, tuning, SMOLLM2_135M, NEUTRAL)
        self._choice: LabelChoice | None = None
        if local is None:
            refuse_unscored(llm, {"a threshold": threshold, "an embedder": embedder})
        task = self._find_prompt(prompt, structured_prompt, scores=local is not None)
        if local is None:
            self._show_to_model = partial(LabelChoice.from_labels, llm, task, self._labels, selector, context_window)
            self._choice = self._show_to_model(examples)
            self._learn_texts(examples)
            return
        scorer: Any = find_scorer(local, task, self._labels, self.tuning.alternatives, context_window)
        learn = partial(FewShot.from_examples, scorer, self._labels, selector, show_examples, self.tuning)
        learn = partial(learn, calibrated=has_prior)
        model = partial(LanguageModelEvidence, local, learn, tuning=self.tuning, multi_label=multi_label)
        shown = bool(show_examples) or selector is not None
        self._evidence = collect_evidence(
            model, find_embedder(embedder), scorer, examples, shown=shown, max_accuracy_loss=max_accuracy_loss
        )
        self._learn_texts(examples)

    def _find_prompt(
        self, prompt: str | TaskPrompt | None, structured_prompt: str | TaskPrompt | None, *, scores: bool
    ) -> TaskPrompt:
        """Return the prompt that was given, or the usual one, with the labels in it."""
        if scores:
            refuse_prompts(self.llm, "prompt", structured_prompt=structured_prompt)
        else:
            refuse_prompts(self.llm, "structured_prompt", prompt=prompt)
        fallback = "classify" if scores else "choose-label"
        task = validate_prompt(prompt or structured_prompt or fallback, "classify", ["labels"])
        return task.partial(labels=self._labels.listed()) if "labels" in task.input_variables else task

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
            InputError: an example is wrong, says which, or there are none. Nothing changes then.
        """
        validate_examples(examples)
        with self._lock:
            if self._evidence is None:
                self._choice = self._show_to_model(examples)
            else:
                self._evidence.fit(examples)
                self._undo_calibration()
            self._learn_texts(examples)
        return self

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Save what the chain learned as data, `chain.json` and `arrays.safetensors`, without models and texts.

        Only examples that are in the prompt are saved as text.

        Raises:
            InputError: the folder cannot be written; the chain has a selector; or its model returns no
                log-likelihoods.
        """
        self._forget_stale()
        facts, arrays = self._require_evidence().state()
        facts |= {
            "labels": dict(zip(self._labels.names, self._labels.verbalized, strict=True)),
            "multi_label": self.multi_label,
            "threshold": self.threshold,
            "uncalibrated_threshold": self._uncalibrated_threshold,
            "calibration": self.calibration,
            "guarantee": self.guarantee,
        }
        facts, arrays = save_rows(facts, arrays, self._seen, self._truth_probabilities)
        write_chain(folder, SavedClassifier.model_validate(facts), arrays)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        llm: Any,
        embedder: Embeddings | str | None = None,
        *,
        prompt: str | TaskPrompt | None = None,
        context_window: int | None = None,
    ) -> Self:
        """Return a chain that was saved; its results are those of the saved one.

        Args:
            folder: where it was saved.
            llm: the model that it was saved with.
            embedder: the embedder, if it was saved with one.
            prompt: the prompt, if it was not the usual one.
            context_window: as for a new chain.

        Raises:
            InputError: there is no saved chain, it is damaged, or it is of another model, embedder or prompt.
        """
        saved, arrays = read_chain(folder, SavedClassifier)
        validate_embedder_given(saved=saved.noise_variance is not None, given=embedder is not None)
        chain = cls(llm, embedder=embedder, prompt=prompt, context_window=context_window, **saved.arguments())
        chain._require_evidence().restore(saved, arrays)
        chain.calibration, chain.threshold, chain._guarantee = saved.calibration, saved.threshold, saved.guarantee
        chain._seen, chain._truth_probabilities = load_rows(saved, arrays)
        return chain

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

    def calibrate(
        self,
        rows: Sequence[Any],
        *,
        precision: float | None = None,
        error: float | None = None,
        confidence: float = DEFAULT_CONFIDENCE,
    ) -> CalibrationReport:
        """Measure the prior on texts like those to come or, if they are labelled, fit the probabilities to them.

        Without labels, fifty texts are plenty, and ten help; an earlier calibration is undone, so measure the prior
        first. With labels, a temperature and a bias for each label are fitted (Guo et al. 2017), and results say that
        they are calibrated from then on.

        Args:
            rows: texts or Documents; or labelled texts in the form of the examples, `{"input": …, "output": label}`.
            precision: for labelled rows: also set `threshold` to the lowest one at which labels were right this often.
            error: for labelled rows that the chain has not learned from: fit nothing, and set `threshold` so that of
                the labels that are given at most this share is wrong (Learn-then-Test, Angelopoulos et al. 2021).
                `report.guarantee` says so, or why nothing is guaranteed; then the threshold stays as it is.
            confidence: the probability, over the draw of the rows, that this is so.

        Raises:
            InputError: a row is wrong, says which; the model returns no log-likelihoods; no threshold reaches the
                precision; or the chain has learned from a row on which a guarantee shall stand. Nothing changes then.
        """
        validate_precision(precision)
        validate_guarantee(error, confidence, precision)
        self._forget_stale()
        texts, labels = parse_rows(rows)
        if labels is None:
            if precision is not None or error is not None:
                what = "precision" if error is None else "error"
                raise InputError(f"{what} needs labelled rows: give {{'input': text, 'output': label}}")
            return self._measure_prior(texts)
        if error is not None:
            return self._guarantee_error(texts, labels, error, confidence)
        return self._fit(texts, labels, precision)
