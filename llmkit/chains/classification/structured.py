"""Labels from models that tell no likelihoods: the model chooses, and structured output holds it to the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.runnables import Runnable, RunnableConfig

from llmkit.chains.classification.examples import solved
from llmkit.chains.labels import Labels, preview
from llmkit.chains.scoring import structured
from llmkit.errors import GenerationError
from llmkit.prompts import TaskPrompt


@dataclass(frozen=True)
class Chooser:
    """Asks a model for one of the labels or, where several may hold, for any number of them."""

    chain: Runnable[Any, Any]
    labels: Labels

    @classmethod
    def over(
        cls,
        llm: Any,
        prompt: TaskPrompt,
        labels: Labels,
        examples: Sequence[Mapping[str, Any]],
        selector: BaseExampleSelector | None,
    ) -> Chooser:
        """Hold a model to the labels; examples show it their names, for these are what it is to write.

        Raises:
            InputError: it cannot be held to anything, or an example has a label that is not one of the labels.
        """
        shown, _, ranked = solved(replace(labels, spoken=labels.names), examples, selector)
        prompt = prompt.with_examples(shown, ranked) if shown or ranked else prompt
        one = {"type": "string", "enum": list(labels.names)}
        schema = {
            "title": "Classification",
            "description": "The labels that fit the text." if labels.several else "The label that fits the text.",
            "type": "object",
            "properties": {"label": {"type": "array", "items": one} if labels.several else one},
            "required": ["label"],
        }
        return cls(structured(prompt, llm, schema), labels)

    def choose(self, texts: Sequence[str], configs: Sequence[RunnableConfig]) -> list[tuple[str, ...] | Exception]:
        """Give the labels of each text, or the error it failed with."""
        inputs: list[Any] = [{"input": text} for text in texts]
        answers = self.chain.batch(inputs, list(configs), return_exceptions=True)
        return [each if isinstance(each, Exception) else self._read(each) for each in answers]

    def _read(self, answer: Any) -> tuple[str, ...] | Exception:
        found = answer.get("label") if isinstance(answer, dict) else None
        chosen = [found] if isinstance(found, str) else found
        if not isinstance(chosen, list) or any(each not in self.labels.names for each in chosen):
            return GenerationError(f"the model answered {answer!r}, but the labels are {preview(self.labels.names)}")
        return tuple(dict.fromkeys(chosen))
