"""Named-entity recognition: every span of the text is scored, and nothing is generated."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Self

from langchain_core.runnables import RunnableConfig

from llmkit.chains.capabilities import is_capable, refuse_unread
from llmkit.chains.guarantees.seen import SeenTexts
from llmkit.chains.inputs import (
    Text,
    TextInput,
    parse_text,
    refuse_prompts,
    validate_examples,
    validate_positive,
    validate_prompt,
)
from llmkit.chains.labels import Labels
from llmkit.chains.ner.calibrated import CalibratedNER
from llmkit.chains.ner.candidates import Truecaser
from llmkit.chains.ner.entity_typing import USUAL_LABELS, EntityTyper
from llmkit.chains.ner.results import Entities, Entity
from llmkit.chains.ner.saving import SavedNER
from llmkit.chains.ner.span_scorer import SpanScorer
from llmkit.chains.ner.structured import name_entities
from llmkit.chains.ner.token_labels import TokenLabelScorer
from llmkit.chains.ner.tuning import NEUTRAL, SMOLLM2_135M, NERTuning
from llmkit.chains.saving import read_chain, validate_same_method
from llmkit.chains.scoring import WeightsWatch, scoring_model
from llmkit.chains.structured import StructuredTask
from llmkit.chains.tuning import is_fitted_on, select_tuning
from llmkit.prompts import TaskPrompt

DEFAULT_LABELS = ("person", "organization", "location")
DEFAULT_THRESHOLD = 0.35
"""Of calibrated probabilities, the threshold with the best F1 is half of this F1 (Lipton et al. 2014). By
cross-validation the best for WikiNEuRal and WNUT-17 together."""
MAX_WORDS, MAX_PASSAGE_TOKENS = 6, 96


class NERChain(CalibratedNER):
    """Find the entities of texts, each with its offsets: `text[entity.start:entity.end] == entity.text`.

    Every span of the text is scored as each label, so that nothing can be made up; of spans that overlap, the
    likeliest is taken. A long text is read in overlapping passages, and no entity is cut by their borders.

    Example:
        >>> chain = NERChain(HuggingFaceChat())
        >>> [(entity.text, entity.label) for entity in chain.invoke("Ada Lovelace was born in London.")]
        [('Ada Lovelace', 'person'), ('London', 'location')]

    A text's result does not depend on the texts beside it in a batch, except for rounding: in bfloat16 a probability
    may differ by some hundredths.

    Args:
        llm: a LangChain chat model. With `score` (llmkit's own models), spans are scored; without, the model names
            entities by structured output, which are then looked up in the text. Or a `HuggingFaceEncoder` that
            classifies tokens: its own tags are decoded, and what only a language model uses is an error: prompts,
            `proper_names`, `max_words`, `max_passage_tokens`, `tuning` and `context_window`.
        labels: what to find.
        descriptions: what a label means, as phrases divided by commas: {"site": "a building, an airport, a bridge"}.
        examples: labelled texts, `{"input": text, "output": [{"text": …, "label": …}, …]}`, with all of their
            entities. A head is learned from them, if cross-validation shows that it helps.
        proper_names: whether entities are proper names, for which capitals and rare words are evidence; `False` for
            dates, foods and the like. By default they are if all labels stand for people, organizations or places.
        threshold: the least probability of an entity.
        max_words: the longest entity that a language model is asked about.
        max_passage_tokens: longer texts are read in passages of about so many tokens.
        prompt: a prompt text by name, or a prompt.
        structured_prompt: the same for a model that returns no log-likelihoods, which is asked for the entities.
        tuning: numbers that depend on the model; by default those fitted on it, or else neutral ones.
        context_window: in tokens; needed for a model that does not report its window.

    Raises:
        InputError: a label, a description, an example or a text is wrong; says which.
        ContextWindowExceeded: the window does not hold a short passage.
    """

    tool_name = "find_entities"
    tool_description = "Find what a text names, such as people, organizations and places, with exact offsets."
    tool_input = TextInput

    _naming: StructuredTask[str, list[Entity]] | None = None

    def __init__(
        self,
        llm: Any,
        labels: Iterable[str] = DEFAULT_LABELS,
        *,
        descriptions: Mapping[str, str] | None = None,
        examples: Sequence[Mapping[str, Any]] = (),
        proper_names: bool | None = None,
        threshold: float = DEFAULT_THRESHOLD,
        max_words: int = MAX_WORDS,
        max_passage_tokens: int = MAX_PASSAGE_TOKENS,
        prompt: str | TaskPrompt | None = None,
        structured_prompt: str | TaskPrompt | None = None,
        tuning: NERTuning | None = None,
        context_window: int | None = None,
    ) -> None:
        self.llm, local = llm, scoring_model(llm, "span_scores")
        super().__init__(Labels.validate(labels, descriptions, multi_label=True), examples, threshold)
        sizes = validate_positive(max_words, "max_words"), validate_positive(max_passage_tokens, "max_passage_tokens")
        self._arguments = {"proper_names": proper_names, "max_words": max_words, "max_passage_tokens": sizes[1]}
        self.tuning = select_tuning(local, tuning, SMOLLM2_135M, NEUTRAL)
        self._is_tuned = proper_names is not False and not descriptions and self._is_fitted(local)
        self._weights = WeightsWatch(local)
        if hasattr(local, "span_scores"):
            refuse_unread(
                llm,
                prompt=prompt,
                structured_prompt=structured_prompt,
                max_words=max_words != MAX_WORDS,
                max_passage_tokens=max_passage_tokens != MAX_PASSAGE_TOKENS,
                proper_names=proper_names is False,
                tuning=tuning,
                context_window=context_window,
            )
            self._scorer = TokenLabelScorer.from_labels(local, self._labels)
        elif local:
            refuse_prompts(llm, "prompt", structured_prompt=structured_prompt)
            task = validate_prompt(prompt or "mentions", "entities")
            typer = EntityTyper.from_labels(local, task, self._labels, self.tuning, context_window)
            proper_names = bool(typer.of_names.all()) if proper_names is None else proper_names
            truecaser = Truecaser(local, typer.fit("N/A"), self.tuning) if proper_names else None
            self._scorer = SpanScorer(typer, truecaser, *sizes)
        else:
            refuse_prompts(llm, "structured_prompt", prompt=prompt)
            task = validate_prompt(structured_prompt or "entities", "entities", ["labels"])
            self._show_to_model = partial(name_entities, llm, task, self._labels)
            self._naming = self._show_to_model(examples)

    def _is_fitted(self, local: Any) -> bool:
        """Return whether the tuning was fitted on this model with these labels."""
        return all(name.lower() in USUAL_LABELS for name in self.labels) and is_fitted_on(self.tuning, local)

    def fit(self, examples: Sequence[Mapping[str, Any]]) -> Self:
        """Learn from labelled examples, instead of those of the constructor, and return the chain.

        What they teach is measured now, not at the first use. A calibration is undone: `calibrate` comes after `fit`.

        Args:
            examples: in the form of the constructor's.

        Raises:
            InputError: an example is wrong, says which, or there are none. Nothing changes then.
        """
        validate_examples(examples)
        parsed = self._parse_rows(examples, "example")
        with self._lock:
            if self._naming:
                self._naming = self._show_to_model(examples)
            else:
                self._decoder, self._report = self._plain.fit(self._score_labelled(parsed))
            self._examples, self.threshold = parsed, self._uncalibrated_threshold
            self._seen, self._guarantee = SeenTexts().with_texts(row.text for row in parsed), None
        return self

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        llm: Any,
        *,
        prompt: str | TaskPrompt | None = None,
        context_window: int | None = None,
    ) -> Self:
        """Return a chain that was saved; its results are those of the saved one.

        Args:
            folder: where it was saved.
            llm: the model that it was saved with.
            prompt: the prompt, if it was not the usual one.
            context_window: as for a new chain.

        Raises:
            InputError: there is no saved chain, it is damaged, or it is of another model or prompt.
        """
        saved, arrays = read_chain(folder, SavedNER)
        is_classifier = is_capable(llm, "span_scores")
        validate_same_method(saved.method, TokenLabelScorer.method if is_classifier else SpanScorer.method)
        chain = cls(llm, prompt=prompt, context_window=context_window, **saved.arguments())
        chain._restore(saved, arrays)
        return chain

    @property
    def _method(self) -> Literal["likelihood", "token labels", "structured output"]:
        return self._scorer.method if self._scorer else "structured output"

    def prepare(self, input: Text) -> str:
        """Check that the text is not empty."""
        return parse_text(input)

    def run(self, prepared: Sequence[str], configs: Sequence[RunnableConfig]) -> list[Entities | Exception]:
        """Find the entities of all texts: their candidates go through the model together."""
        found: Sequence[Sequence[Entity] | Exception]
        calibrated = False
        if self._naming:
            found = self._naming.run(prepared, configs)
        else:
            with self._lock:
                self._forget_stale()
                decoder, scored = self._learned_decoder(), self._score(prepared)
            calibrated = self._is_tuned or decoder != self._plain
            found = [row if isinstance(row, Exception) else decoder.entities(row, self.threshold) for row in scored]
        entities = partial(Entities, calibrated=calibrated, method=self._method, guarantee=self.guarantee)
        return [
            row if isinstance(row, Exception) else entities(text=text, entities=tuple(row))
            for text, row in zip(prepared, found, strict=True)
        ]
