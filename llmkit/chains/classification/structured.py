"""Labels from models that return no log-likelihoods: the model chooses from the list by structured output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.runnables import RunnableConfig

from llmkit.chains.base import attempt
from llmkit.chains.classification.few_shot import verbalize
from llmkit.chains.classification.long_texts import divide, pooled_labels
from llmkit.chains.labels import Labels, preview
from llmkit.chains.structured import StructuredTask, text_fields
from llmkit.errors import GenerationError, InputError, PromptError
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.prompts.context_budget import ContextBudget
from llmkit.text.segmentation import Passage

MARKUP = 32
"""Tokens of the JSON around the labels, or of the call of a tool."""


@dataclass(frozen=True)
class LabelChoice:
    """The task of choosing one of the labels or, with `multi_label`, any number of them.

    Attributes:
        context_window: in tokens; `None` is the model's, if it reports one. Else every text is read whole.
    """

    llm: Any
    prompt: TaskPrompt
    labels: Labels
    task: StructuredTask[str, tuple[str, ...]]
    context_window: int | None = None

    @classmethod
    def from_labels(
        cls,
        llm: Any,
        prompt: TaskPrompt,
        labels: Labels,
        selector: BaseExampleSelector | None,
        context_window: int | None,
        examples: Sequence[Mapping[str, Any]],
    ) -> LabelChoice:
        """Return the task. Examples show the model the labels' names, because it must write names."""
        shown, _, ranked = verbalize(replace(labels, verbalized=labels.names), examples, selector)
        prompt = prompt.with_examples(shown, ranked) if shown or ranked else prompt
        return cls(llm, prompt, labels, _task(llm, prompt, labels), context_window)

    def run(
        self, texts: Sequence[str], configs: Sequence[RunnableConfig]
    ) -> list[tuple[tuple[str, ...], int] | Exception]:
        """Return the labels of each text and the number of its passages, or its error."""
        divided = [attempt(self._divide, text) for text in texts]
        pairs = [
            (part.text, config)
            for parts, config in zip(divided, configs, strict=True)
            if not isinstance(parts, Exception)
            for part in parts
        ]
        answers = iter(self.task.run([text for text, _ in pairs], [config for _, config in pairs]) if pairs else ())
        return [parts if isinstance(parts, Exception) else self._pool(parts, answers) for parts in divided]

    def _pool(
        self, parts: Sequence[Passage], answers: Iterator[tuple[str, ...] | Exception]
    ) -> tuple[tuple[str, ...], int] | Exception:
        chosen = [next(answers) for _ in parts]
        if error := next((answer for answer in chosen if isinstance(answer, Exception)), None):
            return error
        labels = [answer for answer in chosen if not isinstance(answer, Exception)]
        if len(labels) == 1:
            return labels[0], 1
        return pooled_labels(labels, parts, multi_label=self.labels.multi_label), len(parts)

    def _divide(self, text: str) -> list[Passage]:
        """Divide a text that does not fit; where the window is not known, the model itself says whether it does."""
        try:
            budget = ContextBudget(self.llm, 0, self.context_window)
        except PromptError:
            return [Passage(text, 0, len(text), 1)]
        counter: Any = SimpleNamespace(get_num_tokens=budget.count_text)
        names = list(map(budget.count_cached, self.labels.names))
        reserved = MARKUP + (sum(names) if self.labels.multi_label else max(names))

        def fit(part: str) -> FittedPrompt:
            return self.prompt.fit(part, model=self.llm, max_new_tokens=reserved, context_window=self.context_window)

        return divide(text, fit, counter, budget.window // 2)


def refuse_unscored(llm: Any, given: Mapping[str, Any]) -> None:
    """Raise `InputError` if something is given that only counts beside log-likelihoods."""
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{type(llm).__name__} returns no log-likelihoods, which {name} needs: leave it out")


def _task(llm: Any, prompt: TaskPrompt, labels: Labels) -> StructuredTask[str, tuple[str, ...]]:
    name = {"type": "string", "enum": list(labels.names)}
    schema = {
        "title": "Classification",
        "description": "The labels that fit the text." if labels.multi_label else "The label that fits the text.",
        "type": "object",
        "properties": {"label": {"type": "array", "items": name} if labels.multi_label else name},
        "required": ["label"],
    }

    return StructuredTask(llm, prompt, schema, fields=text_fields, parse=partial(_parse, labels.names))


def _parse(labels: Sequence[str], text: str, answer: Any) -> tuple[str, ...]:
    label = answer.get("label") if isinstance(answer, dict) else None
    chosen = [label] if isinstance(label, str) else label
    if not isinstance(chosen, list) or any(name not in labels for name in chosen):
        raise GenerationError(f"the model answered {answer!r}, but the labels are {preview(labels)}")
    return tuple(dict.fromkeys(chosen))
