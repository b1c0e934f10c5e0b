"""Labelled examples, with each label replaced by the words that the model sees for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector

from llmkit.chains.labels import Labels
from llmkit.prompts import ExampleSelector


class _VerbalizingSelector(BaseExampleSelector):
    """A selector that is not llmkit's; the labels of its examples are validated and verbalized."""

    def __init__(self, selector: BaseExampleSelector, labels: Labels) -> None:
        self.selector, self.labels = selector, labels

    def add_example(self, example: dict[str, str]) -> Any:
        return self.selector.add_example(example)

    def select_examples(self, input_variables: dict[str, str]) -> list[dict[str, Any]]:
        return self.labels.verbalize(self.selector.select_examples(input_variables))[0]


def verbalize(
    labels: Labels, examples: Sequence[Mapping[str, Any]], selector: BaseExampleSelector | None
) -> tuple[list[dict[str, Any]], list[list[int]], BaseExampleSelector | None]:
    """Return the verbalized examples, the indices of their labels, and the selector.

    The examples of one of llmkit's own selectors are returned as if they had been given beside it.

    Raises:
        InputError: an example has a label that is not one of the labels.
    """
    if selector is not None and not examples:
        if not isinstance(selector, ExampleSelector):
            return [], [], _VerbalizingSelector(selector, labels)
        examples, selector = selector.examples, selector.over(())
    return *labels.verbalize(examples), selector
