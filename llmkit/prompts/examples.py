"""Solved examples: dictionaries with `input`, `output` and, where they differ, the prompt's fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmkit.errors import PromptError
from llmkit.prompts.fields import check_text

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
        words = " ".join(self.example["input"].split())
        return f"example {self.number}: {words[:37] + '…' if len(words) > 38 else words}"


def check_example(example: Any, number: int, fields: Sequence[str] | None) -> Example:
    """Give a copy of the example, which is complete and holds text only; `None` allows any further keys.

    Raises:
        PromptError: names the example by its number, and what is wrong with it.
    """
    what = f"example {number}"
    if not isinstance(example, Mapping):
        raise PromptError(f"{what} is {type(example).__name__}, but must be a dictionary with 'input' and 'output'")
    for key in ("input", "output"):
        if key not in example:
            raise PromptError(f"{what} has no {key!r}; its keys are {', '.join(map(repr, example)) or 'none'}")
        if not check_text(example[key], f"{what}'s {key!r}").strip():
            raise PromptError(f"{what}'s {key!r} is empty")
    for key, value in example.items():
        if fields is not None and key not in ("input", "output", *fields):
            raise PromptError(f"{what} has the key {key!r}, which is no field of the prompt")
        check_text(value, f"{what}'s {key!r}")
    return dict(example)


def same_text(one: str, other: str) -> bool:
    """Whether two texts are equal but for white space."""
    return one.split() == other.split()
