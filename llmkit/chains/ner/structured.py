"""Entities from models that return no log-likelihoods: the model names them, and each is looked up in the text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from functools import partial
from typing import Any

from llmkit.chains.labels import Labels
from llmkit.chains.ner.results import Entity
from llmkit.chains.ner.values import is_value, stands_for_names
from llmkit.chains.structured import StructuredTask, text_fields
from llmkit.errors import GenerationError
from llmkit.prompts import TaskPrompt
from llmkit.text.words import occurrences


def name_entities(
    llm: Any, prompt: TaskPrompt, labels: Labels, examples: Sequence[Mapping[str, Any]]
) -> StructuredTask[str, list[Entity]]:
    """Return the task of listing a text's entities, without values and what is not in the text."""
    entity = {
        "type": "object",
        "properties": {"text": {"type": "string"}, "label": {"type": "string", "enum": list(labels.names)}},
        "required": ["text", "label"],
    }
    schema = {
        "title": "Entities",
        "description": "What the text names, copied from it.",
        "type": "object",
        "properties": {"entities": {"type": "array", "items": entity}},
        "required": ["entities"],
    }
    shown = [
        {**example, "output": json.dumps({"entities": list(example["output"])}, ensure_ascii=False)}
        for example in examples
    ]
    pairs = zip(labels.names, labels.verbalized, strict=True)
    of_names = {name for name, words in pairs if stands_for_names(words.split(","))}
    prompt = prompt.with_examples(shown) if shown else prompt
    prompt = prompt.partial(labels=labels.listed()) if "labels" in prompt.input_variables else prompt

    return StructuredTask(llm, prompt, schema, fields=text_fields, parse=partial(_parse, labels.names, of_names))


def _parse(labels: Sequence[str], of_names: Set[str], text: str, answer: Any) -> list[Entity]:
    named = answer.get("entities") if isinstance(answer, dict) else None
    if not isinstance(named, list) or not all(_is_entity(item, labels) for item in named):
        raise GenerationError(f"the model answered {answer!r}, which is no list of names with labels")
    return _look_up([item for item in named if item["label"] not in of_names or not is_value(item["text"])], text)


def _is_entity(item: Any, labels: Sequence[str]) -> bool:
    return isinstance(item, dict) and isinstance(item.get("text"), str) and item.get("label") in labels


def _look_up(named: Sequence[Mapping[str, str]], text: str) -> list[Entity]:
    """Every occurrence of each name in the text; longer names first, "New York Times" before "New York"."""
    found: list[Entity] = []
    for item in sorted(named, key=lambda item: -len(item["text"])):
        for span in occurrences(item["text"], text):
            if not any(span.start < other.end and other.start < span.end for other in found):
                found.append(Entity(text=span.of(text), label=item["label"], start=span.start, end=span.end))
    return sorted(found, key=lambda entity: entity.start)
