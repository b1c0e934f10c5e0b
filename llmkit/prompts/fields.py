"""Fields of a prompt text: plain `{name}`, filled once, in one pass; every other brace is text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llmkit.errors import PromptError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = frozenset({"input", "output", "model", "max_new_tokens", "context_window", "layout", "stop", "self"})
"""Names that mean something else where a prompt is filled, or to LangChain."""


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put `values` for their `{name}`; a value is never searched for fields itself."""
    if not values:
        return text
    names = "|".join(map(re.escape, values))
    return re.sub(rf"\{{({names})\}}", lambda match: values[match[1]], text)


def check_names(names: Iterable[str], texts: Sequence[str]) -> tuple[str, ...]:
    """Give the declared names, each of which stands in one of the texts.

    Raises:
        PromptError: a name is not a plain one, is reserved, is declared twice, or stands nowhere.
    """
    if isinstance(names, str):
        raise PromptError(f"fields is {names!r}, but must be a list of names")
    declared = tuple(names)
    for name in declared:
        if not _NAME.fullmatch(check_text(name, "the name of a field")):
            raise PromptError(f"field {name!r} is not a plain name: use letters, digits and underscores")
        if name in RESERVED:
            raise PromptError(f"field {name!r} has a reserved name: choose another than {', '.join(sorted(RESERVED))}")
        if declared.count(name) > 1:
            raise PromptError(f"field {name!r} is declared twice")
        if not any(f"{{{name}}}" in text for text in texts):
            raise PromptError(f"field {name!r} is declared, but {{{name}}} stands nowhere in the prompt")
    return declared


def check_values(declared: Sequence[str], given: Mapping[str, Any], *, complete: bool = True) -> dict[str, str]:
    """Give the values of the declared fields as strings.

    Raises:
        PromptError: a field is unknown or, where the values must be complete, missing; or a value is
            neither text nor a number.
    """
    for name, value in given.items():
        if name not in declared:
            known = f"its fields are {', '.join(declared)}" if declared else "it has no fields"
            raise PromptError(f"the prompt has no field {name!r}: {known}")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise PromptError(f"field {name!r} is {type(value).__name__}, but must be text or a number")
    if complete and (missing := [name for name in declared if name not in given]):
        raise PromptError(f"the prompt's field {missing[0]!r} has no value: give {missing[0]}=")
    return {name: check_text(str(value), f"field {name!r}") for name, value in given.items()}


def check_count(value: Any, what: str) -> int:
    """Give the value, which is a whole number and not negative.

    Raises:
        PromptError: it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise PromptError(f"{what} is {value!r}, but must be a whole number, at least 0")
    return value


def check_text(value: Any, what: str) -> str:
    """Give the value, which is text that every tokenizer takes.

    Raises:
        PromptError: it is no string, or holds half a surrogate pair, which is no character.
    """
    if not isinstance(value, str):
        raise PromptError(f"{what} is {type(value).__name__}, but must be text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise PromptError(
            f"{what} holds half a surrogate pair at {error.start}: decode the text with errors='replace'"
        ) from error
    return value
