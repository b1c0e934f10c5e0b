"""Example selectors: they rank examples, the best first, and the budget takes as many as fit.

All are LangChain example selectors, and those of LangChain can be used in their place.
"""

from __future__ import annotations

import copy
import random
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from langchain_core.example_selectors import BaseExampleSelector

from llmkit.errors import PromptError
from llmkit.prompts.validation import COUNT, Example, validate, validate_example


@dataclass(frozen=True)
class Candidate:
    """An example that may go into a prompt, and its number from 1 (for selectors of LangChain, its rank)."""

    number: int
    example: Example

    def __str__(self) -> str:
        text = " ".join(self.example["input"].split())
        return f"example {self.number}: {text[:37] + '…' if len(text) > 38 else text}"


def same_text(one: str, other: str) -> bool:
    """Return whether two texts are equal but for white space."""
    return one.split() == other.split()


class ExampleSelector(BaseExampleSelector):
    """Ranks examples for an input.

    Args:
        k: the most examples to use; `None` is as many as fit.
        examples: the examples; a `TaskPrompt` passes its examples here.
    """

    def __init__(self, k: int | None = None, *, examples: Iterable[Example] = ()) -> None:
        self.k = None if k is None else validate(COUNT, k, "k")
        self.fields: tuple[str, ...] | None = None  # until a prompt says which keys it knows
        self.examples: list[Example] = []
        for example in examples:
            self.add_example(example)

    @abstractmethod
    def rank(self, text: str) -> Sequence[int]:
        """Return the index of every example, the best for this input first."""

    def add_example(self, example: Example) -> None:
        """Add an example; prompts that use this selector see it at once."""
        self.examples.append(validate_example(example, len(self.examples) + 1, self.fields))

    def select_examples(self, input_variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the best `k` examples that are not the input itself, the best first."""
        text = str(input_variables["input"])
        ranked = (self.examples[index] for index in self.rank(text))
        return [dict(example) for example in ranked if not same_text(example["input"], text)][: self.k]

    def with_examples(self, examples: Iterable[Example], fields: Sequence[str] | None = None) -> Self:
        """Return a selector with the same settings for other examples; it shares the embeddings of texts.

        Args:
            examples: replace those of this selector.
            fields: the keys that an example may have besides `input` and `output`; `None` allows any.
        """
        other = copy.copy(self)
        other.fields, other.examples = None if fields is None else tuple(fields), []
        for example in examples:
            other.add_example(example)
        return other

    def settings(self) -> tuple[Any, ...]:
        """Return what decides the ranking, besides the examples."""
        return (self.k,)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExampleSelector) or type(self) is not type(other):
            return False
        return self.settings() == other.settings() and self.examples == other.examples

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(k={self.k}, {len(self.examples)} examples)"


class FirstExamples(ExampleSelector):
    """Ranks examples as they were given."""

    def rank(self, text: str) -> Sequence[int]:
        """Return the indices in order."""
        return range(len(self.examples))


class RandomExamples(ExampleSelector):
    """Ranks examples at random, in an order that depends on the seed alone: every input gets the same."""

    def __init__(self, k: int | None = None, *, seed: int = 0, examples: Iterable[Example] = ()) -> None:
        self.seed = seed
        super().__init__(k, examples=examples)

    def settings(self) -> tuple[Any, ...]:
        """Return `k` and the seed."""
        return (self.k, self.seed)

    def rank(self, text: str) -> Sequence[int]:
        """Return the indices, shuffled."""
        count = len(self.examples)
        return random.Random(self.seed).sample(range(count), count)


class BalancedExamples(ExampleSelector):
    """Ranks one example of every label first, then a second of each, the best of them by another selector.

    Args:
        selector: ranks the examples; one of llmkit's.
        key: what is balanced: the example's `output`, or another of its keys.
    """

    def __init__(
        self,
        selector: ExampleSelector | None = None,
        k: int | None = None,
        *,
        key: str = "output",
        examples: Iterable[Example] = (),
    ) -> None:
        inner = selector if selector is not None else FirstExamples()
        if not isinstance(inner, ExampleSelector):
            raise PromptError(f"BalancedExamples ranks by one of llmkit's selectors, not by {type(inner).__name__}")
        self.selector, self.key = inner.with_examples(()), key
        super().__init__(k, examples=[*inner.examples, *examples])

    def settings(self) -> tuple[Any, ...]:
        """Return `k`, the key, and the inner selector with its settings."""
        return (self.k, self.key, type(self.selector), self.selector.settings())

    def with_examples(self, examples: Iterable[Example], fields: Sequence[str] | None = None) -> Self:
        """Return a selector with the same settings for other examples."""
        other = copy.copy(self)
        other.selector = self.selector.with_examples(())  # first: `add_example` adds to it, too
        return super(BalancedExamples, other).with_examples(examples, fields)

    def add_example(self, example: Example) -> None:
        """Add an example that has a label."""
        valid = validate_example(example, len(self.examples) + 1, self.fields)
        if self.key not in valid:
            raise PromptError(f"example {len(self.examples) + 1} has no {self.key!r}, by which examples are balanced")
        self.examples.append(valid)
        self.selector.add_example(valid)

    def rank(self, text: str) -> Sequence[int]:
        """Return the indices: the best of each label, then the second best of each, and so on."""
        seen: Counter[str] = Counter()
        rank_in_label: dict[int, int] = {}
        for index in self.selector.rank(text):
            label = self.examples[index][self.key].strip()
            seen[label] += 1
            rank_in_label[index] = seen[label]
        return sorted(rank_in_label, key=rank_in_label.__getitem__)


def candidates(
    selector: BaseExampleSelector, variables: Mapping[str, str], fields: Sequence[str]
) -> tuple[list[Candidate], int | None]:
    """Return the ranked examples, those equal to the input included, and how many may be used."""
    if isinstance(selector, ExampleSelector):
        ranked = selector.rank(variables["input"])
        return [Candidate(index + 1, selector.examples[index]) for index in ranked], selector.k
    chosen = selector.select_examples(dict(variables))
    return [Candidate(n, validate_example(example, n, fields)) for n, example in enumerate(chosen, 1)], None


def selector_with_examples(
    selector: BaseExampleSelector | None, examples: Sequence[Any], fields: Sequence[str]
) -> BaseExampleSelector:
    """Return the selector with the prompt's examples in it; one that has examples keeps them."""
    selector = FirstExamples() if selector is None else selector
    if isinstance(selector, ExampleSelector):
        if examples and selector.examples:
            raise PromptError("examples were given twice: to the prompt and to its selector")
        return selector.with_examples(examples or selector.examples, fields)
    if examples:
        raise PromptError(f"{type(selector).__name__} has its own examples: give them to it, not to the prompt")
    return selector
