"""Labelled examples, in the words that the model knows the labels by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector

from llmkit.chains.labels import Labels
from llmkit.prompts import ExampleSelector


class _Spoken(BaseExampleSelector):
    """A selector that is not llmkit's, the labels of its examples checked and in the model's words."""

    def __init__(self, selector: BaseExampleSelector, labels: Labels) -> None:
        self.selector, self.labels = selector, labels

    def add_example(self, example: dict[str, str]) -> Any:
        return self.selector.add_example(example)

    def select_examples(self, input_variables: dict[str, str]) -> list[dict[str, Any]]:
        return self.labels.solved(self.selector.select_examples(input_variables))[0]


def solved(
    labels: Labels, examples: Sequence[Mapping[str, Any]], selector: BaseExampleSelector | None
) -> tuple[list[dict[str, Any]], list[list[int]], BaseExampleSelector | None]:
    """Give the examples, the selector's own too, in the model's words; the places of their labels; and the selector.

    Raises:
        InputError: an example has a label that is not one of the labels.
    """
    if selector is not None and not examples:
        if not isinstance(selector, ExampleSelector):
            return [], [], _Spoken(selector, labels)
        examples, selector = selector.examples, selector.over(())
    return *labels.solved(examples), selector
