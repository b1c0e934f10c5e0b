"""Fields of a prompt text: `{name}`, filled once, in one pass; every other brace is text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from llmkit.errors import PromptError
from llmkit.prompts.validation import validate_text

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = frozenset({"input", "output", "model", "max_new_tokens", "context_window", "layout", "stop", "self"})
"""Names that mean something else where a prompt is filled, or to LangChain."""


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put `values` in the place of their `{name}`; a value is never searched for fields itself."""
    if not values:
        return text
    names = "|".join(map(re.escape, values))
    return re.sub(rf"\{{({names})\}}", lambda match: values[match[1]], text)


def validate_field_names(names: Sequence[str], texts: Sequence[str]) -> None:
    """Check that each declared name occurs as a field in one of the texts.

    Raises:
        PromptError: a name is not a plain one, is reserved, is declared twice, or occurs nowhere.
    """
    for name in names:
        if not _NAME.fullmatch(name):
            raise PromptError(f"field {name!r} is not a plain name: use letters, digits and underscores")
        if name in RESERVED:
            raise PromptError(f"field {name!r} has a reserved name: choose another than {', '.join(sorted(RESERVED))}")
        if names.count(name) > 1:
            raise PromptError(f"field {name!r} is declared twice")
        if not any(f"{{{name}}}" in text for text in texts):
            raise PromptError(f"field {name!r} is declared, but {{{name}}} occurs nowhere in the prompt")


def validate_values(declared: Sequence[str], values: Mapping[str, Any], *, complete: bool = True) -> dict[str, str]:
    """Return the values of the declared fields as strings.

    Raises:
        PromptError: a field is unknown or, where the values must be complete, missing; or a value is
            neither text nor a number.
    """
    for name, value in values.items():
        if name not in declared:
            known = f"its fields are {', '.join(declared)}" if declared else "it has no fields"
            raise PromptError(f"the prompt has no field {name!r}: {known}")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise PromptError(f"field {name!r} is {type(value).__name__}, but must be text or a number")
    if complete and (missing := [name for name in declared if name not in values]):
        raise PromptError(f"the prompt's field {missing[0]!r} has no value: give {missing[0]}=")
    return {name: validate_text(str(value), f"field {name!r}") for name, value in values.items()}
