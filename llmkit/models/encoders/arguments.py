"""Validation of what `HuggingFaceEncoder` is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmkit.errors import InputError, ModelUnusable, PromptError
from llmkit.models.encoders.heads import Head
from llmkit.models.encoders.loading import LoadedEncoder
from llmkit.models.weights.context_window import NO_LIMIT

_TEMPLATES = {Head.ENTAILMENT: "This example is {}.", Head.MASKED_LM: "It is about {}."}
"""The sentence for a label: that of transformers' zero-shot pipeline; others get the label alone."""


def with_words(labels: Sequence[str], descriptions: Mapping[str, str] | None) -> list[tuple[str, str]]:
    """Return each label and the words for it: its description, or else the label.

    Raises:
        InputError: the words are no text, or empty.
    """
    found = [(label, (descriptions or {}).get(label, label)) for label in labels]
    for label, words in found:
        validate_text(**{"a label" if words is label else f"the description of {label!r}": words})
    return [(label, words.strip()) for label, words in found]


def validate_texts(**lists: Sequence[Any]) -> None:
    """Raise `InputError` for a list of texts that is empty, or has an empty text or one that no tokenizer takes."""
    for name, values in lists.items():
        if isinstance(values, str) or not all(isinstance(value, str) and value.strip() for value in values):
            raise InputError(f"{name} is {values!r:.80}, but must be a list of texts, none of them empty")
        if not values:
            raise InputError(f"{name} is empty: give at least one")
        for number, value in enumerate(values, 1):
            validate_characters(f"{name}, number {number}," if len(values) > 1 else name, value)


def validate_text(**texts: Any) -> None:
    """Raise `InputError` for what is no text, is empty, or has characters that no tokenizer takes."""
    for name, value in texts.items():
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{name} is {value!r:.80}, but must be text, and not empty")
        validate_characters(name, value)


def validate_characters(name: str, text: str) -> None:
    """Raise `PromptError` for half a surrogate pair, which no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PromptError(
            f"{name} has half a surrogate pair at {error.start}: decode the text with errors='replace'"
        ) from error


def validate_count(**numbers: Any) -> None:
    """Raise `InputError` for what is no whole number of at least 1."""
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise InputError(f"{name} is {number!r}, but must be a whole number, at least 1")


def validate_template(template: Any, head: Head) -> str:
    """Return the sentence for a label, by default that of the head, or raise `InputError`."""
    if template is None:
        return _TEMPLATES.get(head, "{}")
    if not isinstance(template, str) or template.count("{}") != 1:
        raise InputError(f"template is {template!r}, but must be a text with one {{}} in the place of the label")
    validate_characters("template", template)
    return str(template)


def validate_window(context_window: Any, encoder: LoadedEncoder) -> int:
    """Return the most tokens of one window, by default the model's; raise `InputError` if it has not so many."""
    most = encoder.loaded.window
    if context_window is None:
        if most >= NO_LIMIT:
            raise ModelUnusable(
                f"neither the configuration nor the tokenizer of {encoder.loaded.name} has the length of its context "
                "window: pass context_window=, in tokens"
            )
        return most
    if isinstance(context_window, bool) or not isinstance(context_window, int) or not 0 < context_window <= most:
        raise InputError(f"context_window is {context_window!r}, but must be a whole number of tokens, at most {most}")
    return int(context_window)
