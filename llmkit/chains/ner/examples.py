"""Solved texts: each with all of its entities, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmkit.errors import InputError
from llmkit.text.segmentation import Span
from llmkit.text.words import occurrences


@dataclass(frozen=True)
class Solved:
    """A text, and all of its entities: a span of each, with the place of its label."""

    text: str
    labels: Mapping[Span, int]

    @classmethod
    def checked(cls, example: Any, number: int, labels: Sequence[str]) -> Solved:
        """Give an example whose entities stand in its text.

        Raises:
            InputError: it has no text, or an entity has no place in it or an unknown label; says which.
        """
        what = f"example {number}"
        if not isinstance(example, Mapping) or not {"input", "output"} <= set(example):
            raise InputError(f"{what} is {example!r:.80}, but must be a dictionary with 'input' and 'output'")
        text, named = example["input"], example["output"]
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{what}'s 'input' is {text!r:.80}, but must be text")
        if isinstance(named, str | Mapping) or not isinstance(named, Iterable):
            raise InputError(f"{what}'s 'output' is {named!r:.80}, but must be a list of {{'text': …, 'label': …}}")
        places: dict[Span, int] = {}
        for each in named:
            if not isinstance(each, Mapping) or not {"text", "label"} <= set(each):
                raise InputError(f"{what} has the entity {each!r:.80}, but must have {{'text': …, 'label': …}}")
            if each["label"] not in labels:
                raise InputError(f"{what} has the label {each['label']!r}, but the labels are {', '.join(labels)}")
            found = list(occurrences(str(each["text"]), text))
            if not found:
                raise InputError(f"{what} has the entity {each['text']!r}, which does not stand in its text")
            places.update(dict.fromkeys(found, labels.index(each["label"])))
        return cls(text, places)
