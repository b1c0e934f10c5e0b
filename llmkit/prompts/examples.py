"""Examples: dictionaries with `input`, `output` and, where they differ, values of the prompt's fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmkit.errors import PromptError
from llmkit.prompts.validation import validate_text

Example = dict[str, str]


@dataclass(frozen=True)
class Candidate:
    """An example that may go into a prompt.

    Attributes:
        number: its place among the examples that were given, from 1; for LangChain's own selectors, its rank.
    """

    number: int
    example: Example

    def __str__(self) -> str:
        text = " ".join(self.example["input"].split())
        return f"example {self.number}: {text[:37] + '…' if len(text) > 38 else text}"


def validate_example(example: Any, number: int, fields: Sequence[str] | None) -> Example:
    """Check that an example is complete and has text only, and return a copy.

    Args:
        example: the example.
        number: what errors call it.
        fields: the keys that it may have besides `input` and `output`; `None` allows any.

    Raises:
        PromptError: names the example by its number, and what is wrong with it.
    """
    name = f"example {number}"
    if not isinstance(example, Mapping):
        raise PromptError(f"{name} is {type(example).__name__}, but must be a dictionary with 'input' and 'output'")
    for key in ("input", "output"):
        if key not in example:
            raise PromptError(f"{name} has no {key!r}; its keys are {', '.join(map(repr, example)) or 'none'}")
        if not validate_text(example[key], f"{name}'s {key!r}").strip():
            raise PromptError(f"{name}'s {key!r} is empty")
    for key, value in example.items():
        if fields is not None and key not in ("input", "output", *fields):
            raise PromptError(f"{name} has the key {key!r}, which is no field of the prompt")
        validate_text(value, f"{name}'s {key!r}")
    return dict(example)


def same_text(one: str, other: str) -> bool:
    """Tell whether two texts are equal but for white space."""
    return one.split() == other.split()
