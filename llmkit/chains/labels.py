"""Labels: validated, and the words that the model sees for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmkit.chains.same_labels import describe_difference, find_twins, without_invisible
from llmkit.errors import InputError
from llmkit.prompts.validation import split_example, validate_text


@dataclass(frozen=True)
class Labels:
    """The labels of a chain, in the caller's order.

    Attributes:
        names: the labels as they were given, and as results have them.
        verbalized: what the model sees: the descriptions, or else the names.
        multi_label: whether any number of labels may apply to one text.
    """

    names: tuple[str, ...]
    verbalized: tuple[str, ...]
    multi_label: bool

    @classmethod
    def validate(cls, names: Iterable[str], descriptions: Mapping[str, str] | None, *, multi_label: bool) -> Labels:
        """Return the labels, or raise `InputError` if there are too few or a model cannot tell them apart."""
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise InputError(f"labels is {names!r}, but must be a list of texts")
        given = tuple(validate_text(name, "a label") for name in names)
        if len(given) < (least := 1 if multi_label else 2):
            raise InputError(f"there {_count(len(given))}: give at least {least}")
        for number, name in enumerate(given, 1):
            if not without_invisible(name):
                raise InputError(f"label {number} is empty: every label needs words")
        if twins := find_twins(given):
            raise InputError(_explain_twins(*(given[index] for index in twins)))
        described = _validate_descriptions({} if descriptions is None else descriptions, given)
        verbalized = tuple(described.get(name, name).strip() for name in given)
        if twins := find_twins(verbalized):
            same = [given[index] for index in twins]
            raise InputError(
                f"the labels {preview(same)} have the same words, {verbalized[twins[1]]!r}: "
                "the model could not tell them apart"
            )
        return cls(given, verbalized, multi_label)

    def listed(self) -> str:
        """Return the labels as a prompt lists them, each with its description."""
        pairs = zip(self.names, self.verbalized, strict=True)
        return ", ".join(name if words == name.strip() else f"{name} ({words})" for name, words in pairs)

    def indices(self, label: Any, what: str) -> list[int]:
        """Return the index of a label, or of each label of a collection; errors name the `what` that has them."""
        given = list(label) if isinstance(label, Collection) and not isinstance(label, str) else [label]
        for name in given:
            if name not in self.names:
                raise InputError(f"{what} has the label {name!r}, but the labels are {preview(self.names)}")
        if not self.multi_label and len(given) != 1:
            raise InputError(f"{what} has {len(given)} labels, but must have one: for more, set multi_label=True")
        return [self.names.index(name) for name in dict.fromkeys(given)]

    def verbalize(self, examples: Iterable[Any], name: str = "example") -> tuple[list[dict[str, Any]], list[list[int]]]:
        """Return the examples with the labels' words as their output, and the indices of their labels.

        Errors call an example by `name` and its number.
        """
        verbalized, indices = [], []
        for number, example in enumerate(examples, 1):
            what = f"{name} {number}"
            _, output = split_example(example, what)
            indices.append(self.indices(output, what))
            words = ", ".join(self.verbalized[index] for index in indices[-1])
            verbalized.append({**example, "output": words or "none of them"})
        return verbalized, indices


def _explain_twins(first: str, second: str) -> str:
    """Return the error of two labels that are the same, or nearly."""
    difference = describe_difference(first, second)
    if not difference:
        return f"label {second!r} is given twice: every label must differ from the others"
    return f"the labels {first!r} and {second!r} differ only {difference}: leave one out, or give it other words"


def preview(names: Sequence[str]) -> str:
    """Return the names as an error shows them: the first ten, each cut after 40 characters."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(repr(name if len(name) <= 40 else f"{name[:40]}…") for name in names[:10]) + more


def _validate_descriptions(descriptions: Any, names: Sequence[str]) -> dict[str, str]:
    if not isinstance(descriptions, Mapping):
        raise InputError(f"descriptions is {descriptions!r:.80}, but must say what labels mean: {{label: text}}")
    for name, text in descriptions.items():
        if name not in names:
            raise InputError(f"the description of {name!r} is of no label: the labels are {preview(names)}")
        if not validate_text(text, f"the description of {name!r}").strip():
            raise InputError(f"the description of {name!r} is empty: leave it out, or say what the label means")
    return dict(descriptions)


def _count(number: int) -> str:
    return "are no labels" if number == 0 else "is only one label" if number == 1 else f"are only {number} labels"
