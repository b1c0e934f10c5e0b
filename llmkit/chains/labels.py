"""Labels: checked, and put into the words that a model scores."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmkit.errors import InputError
from llmkit.prompts.fields import check_text


@dataclass(frozen=True)
class Labels:
    """The labels, in the caller's order, and what the model sees of each: its description, or the label itself.

    Attributes:
        several: whether any number of labels may hold.
    """

    names: tuple[str, ...]
    spoken: tuple[str, ...]
    several: bool

    @classmethod
    def checked(cls, names: Iterable[str], descriptions: Mapping[str, str] | None, *, several: bool) -> Labels:
        """Give labels that can be told apart.

        Raises:
            InputError: there are too few, one is empty or given twice, or a description is of no label; or two labels
                have the same words.
        """
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise InputError(f"labels is {names!r}, but must be a list of texts")
        given = tuple(check_text(name, "a label") for name in names)
        if len(given) < (least := 1 if several else 2):
            raise InputError(f"there {_count(len(given))}: give at least {least}")
        seen: dict[str, str] = {}
        for name in given:
            words = " ".join(name.split())
            if not words:
                raise InputError(f"label {given.index(name) + 1} is empty: every label needs words")
            if words in seen:
                raise InputError(f"label {name!r} is given twice: every label must differ from the others")
            seen[words] = name
        told = _described({} if descriptions is None else descriptions, given)
        spoken = tuple(told.get(name, name).strip() for name in given)
        if twins := [name for name, words in zip(given, spoken, strict=True) if spoken.count(words) > 1]:
            raise InputError(
                f"the labels {preview(twins)} have the same words, {told.get(twins[-1], twins[-1])!r}: "
                "the model could not tell them apart"
            )
        return cls(given, spoken, several)

    def listed(self) -> str:
        """Give the labels as a prompt lists them, each with its description."""
        pairs = zip(self.names, self.spoken, strict=True)
        return ", ".join(name if words == name.strip() else f"{name} ({words})" for name, words in pairs)

    def places(self, label: Any, what: str) -> list[int]:
        """Give where a label, or each of several, stands among the labels.

        Raises:
            InputError: a label is unknown.
        """
        own = list(label) if isinstance(label, Collection) and not isinstance(label, str) else [label]
        for each in own:
            if each not in self.names:
                raise InputError(f"{what} has the label {each!r}, but the labels are {preview(self.names)}")
        if not self.several and len(own) != 1:
            raise InputError(f"{what} has {len(own)} labels, but must have one: several may hold with multi_label=True")
        return [self.names.index(each) for each in dict.fromkeys(own)]

    def solved(self, examples: Iterable[Any]) -> tuple[list[dict[str, Any]], list[list[int]]]:
        """Give the examples with their labels in the model's words, and the places of these labels.

        Raises:
            InputError: an example has a label that is not one of the labels.
        """
        given = list(examples)
        for number, each in enumerate(given, 1):
            if not isinstance(each, Mapping) or "output" not in each:
                raise InputError(
                    f"example {number} is {each!r:.80}, but must be a dictionary with 'input' and 'output'"
                )
        places = [self.places(each["output"], f"example {number}") for number, each in enumerate(given, 1)]
        words = [", ".join(self.spoken[place] for place in own) or "none of them" for own in places]
        return [{**each, "output": said} for each, said in zip(given, words, strict=True)], places


def preview(names: Sequence[str]) -> str:
    """Give the names as an error shows them: the first ones, if there are many."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(repr(name if len(name) <= 40 else f"{name[:40]}…") for name in names[:10]) + more


def _described(descriptions: Any, names: Sequence[str]) -> dict[str, str]:
    if not isinstance(descriptions, Mapping):
        raise InputError(f"descriptions is {descriptions!r:.80}, but must say what labels mean: {{label: text}}")
    for name, text in descriptions.items():
        if name not in names:
            raise InputError(f"the description of {name!r} is of no label: the labels are {preview(names)}")
        if not check_text(text, f"the description of {name!r}").strip():
            raise InputError(f"the description of {name!r} is empty: leave it out, or say what the label means")
    return dict(descriptions)


def _count(number: int) -> str:
    return "are no labels" if number == 0 else "is only one label" if number == 1 else f"are only {number} labels"
