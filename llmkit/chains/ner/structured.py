"""Entities from models that tell no likelihoods: they name them, and each is looked up in the text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from llmkit.chains.labels import Labels
from llmkit.chains.ner.results import Entity
from llmkit.chains.scoring import structured
from llmkit.errors import GenerationError
from llmkit.prompts import TaskPrompt
from llmkit.text.words import occurrences


@dataclass(frozen=True)
class Namer:
    """Asks a model for the names in a text, and believes only those that stand in it."""

    chain: Runnable[Any, Any]
    labels: tuple[str, ...]

    @classmethod
    def over(cls, llm: Any, prompt: TaskPrompt, labels: Labels, examples: Sequence[Mapping[str, Any]]) -> Namer:
        """Hold a model to a list of names with labels, and show it solved texts.

        Raises:
            InputError: it has no structured output.
        """
        one = {
            "type": "object",
            "properties": {"text": {"type": "string"}, "label": {"type": "string", "enum": list(labels.names)}},
            "required": ["text", "label"],
        }
        schema = {
            "title": "Entities",
            "description": "What the text names, copied from it.",
            "type": "object",
            "properties": {"entities": {"type": "array", "items": one}},
            "required": ["entities"],
        }
        shown = [
            {**each, "output": json.dumps({"entities": list(each["output"])}, ensure_ascii=False)} for each in examples
        ]
        asking = prompt.with_examples(shown) if shown else prompt
        asking = asking.partial(labels=labels.listed()) if "labels" in asking.input_variables else asking
        return cls(structured(asking, llm, schema), labels.names)

    def name(self, texts: Sequence[str], configs: Sequence[RunnableConfig]) -> list[list[Entity] | Exception]:
        """Give the entities of each text, or the error it failed with."""
        inputs: list[Any] = [{"input": text} for text in texts]
        told = self.chain.batch(inputs, list(configs), return_exceptions=True)
        return [
            each if isinstance(each, Exception) else self._read(text, each)
            for text, each in zip(texts, told, strict=True)
        ]

    def _read(self, text: str, told: Any) -> list[Entity] | Exception:
        named = told.get("entities") if isinstance(told, dict) else None
        if not isinstance(named, list) or not all(self._sound(each) for each in named):
            return GenerationError(f"the model answered {told!r}, which is no list of names with labels")
        found: list[Entity] = []
        for each in sorted(named, key=lambda each: -len(each["text"])):  # "New York Times" before "New York"
            for span in occurrences(each["text"], text):
                if not any(span.start < other.end and other.start < span.end for other in found):
                    found.append(Entity(text=span.of(text), label=each["label"], start=span.start, end=span.end))
        return sorted(found, key=lambda each: each.start)

    def _sound(self, named: Any) -> bool:
        return isinstance(named, dict) and isinstance(named.get("text"), str) and named.get("label") in self.labels
