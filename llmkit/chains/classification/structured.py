"""Labels from models that return no log-likelihoods: the model chooses from the list by structured output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector

from llmkit.chains.classification.few_shot import verbalize
from llmkit.chains.labels import Labels, preview
from llmkit.chains.structured import StructuredTask
from llmkit.errors import GenerationError
from llmkit.prompts import TaskPrompt


def choose_labels(
    llm: Any,
    prompt: TaskPrompt,
    labels: Labels,
    examples: Sequence[Mapping[str, Any]],
    selector: BaseExampleSelector | None,
) -> StructuredTask[str, tuple[str, ...]]:
    """Return the task of choosing one of the labels or, with `multi_label`, any number of them.

    Examples show the model the labels' names, because it must write names, not descriptions.
    """
    shown, _, ranked = verbalize(replace(labels, verbalized=labels.names), examples, selector)
    name = {"type": "string", "enum": list(labels.names)}
    schema = {
        "title": "Classification",
        "description": "The labels that fit the text." if labels.multi_label else "The label that fits the text.",
        "type": "object",
        "properties": {"label": {"type": "array", "items": name} if labels.multi_label else name},
        "required": ["label"],
    }

    def parse(text: str, answer: Any) -> tuple[str, ...]:
        label = answer.get("label") if isinstance(answer, dict) else None
        chosen = [label] if isinstance(label, str) else label
        if not isinstance(chosen, list) or any(name not in labels.names for name in chosen):
            raise GenerationError(f"the model answered {answer!r}, but the labels are {preview(labels.names)}")
        return tuple(dict.fromkeys(chosen))

    return StructuredTask(
        llm,
        prompt.with_examples(shown, ranked) if shown or ranked else prompt,
        schema,
        fields=lambda text: {"input": text},
        parse=parse,
    )
