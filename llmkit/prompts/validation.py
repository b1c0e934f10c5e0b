"""Validation of the parts of a prompt; every error is a `PromptError`."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from llmkit.errors import LlmkitError, PromptError, kind_of

T = TypeVar("T")
Example = dict[str, str]
"""A labelled input: `input`, `output` and, where they differ, values of the prompt's fields."""

COUNT: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(strict=True, ge=0)])
SHARE: TypeAdapter[float] = TypeAdapter(Annotated[float, Field(ge=0, le=1)])
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = frozenset({"input", "output", "model", "max_new_tokens", "context_window", "layout", "stop", "self"})
"""Names that mean something else where a prompt is filled, or to LangChain."""


def validate(adapter: TypeAdapter[T], value: Any, name: str) -> T:
    """Return the value as the adapter's type; errors name it."""
    with pydantic_errors(name):
        valid = adapter.validate_python(value)
    return valid


@contextmanager
def pydantic_errors(*name: str) -> Iterator[None]:
    """Raise a `PromptError` in place of pydantic's error, for the first value that is wrong."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if isinstance(cause := first.get("ctx", {}).get("error"), PromptError):
            raise PromptError(str(cause)) from None
        place = ".".join(map(str, (*name, *first["loc"])))
        reason = first["msg"].replace("Input should", "but should", 1)
        raise PromptError(f"{place} is {reprlib.repr(first['input'])}, {reason}") from None


def validate_text(value: Any, name: str) -> str:
    """Check that a value is a string that every tokenizer takes: without half a surrogate pair."""
    if not isinstance(value, str):
        raise PromptError(f"{name} is {kind_of(value)}, but must be text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise PromptError(
            f"{name} has half a surrogate pair at {error.start}: decode the text with errors='replace'"
        ) from error
    return value


def validate_field_names(names: Sequence[str], texts: Sequence[str]) -> None:
    """Check that each declared name is a plain one, not reserved, unique, and a field in one of the texts."""
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
        PromptError: a field is unknown or, if `complete`, missing; or a value is neither text nor a number.
    """
    for name, value in values.items():
        if name not in declared:
            known = f"its fields are {', '.join(declared)}" if declared else "it has no fields"
            raise PromptError(f"the prompt has no field {name!r}: {known}")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise PromptError(f"field {name!r} is {kind_of(value)}, but must be text or a number")
    if complete and (missing := [name for name in declared if name not in values]):
        raise PromptError(f"the prompt's field {missing[0]!r} has no value: give {missing[0]}=")
    return {name: validate_text(str(value), f"field {name!r}") for name, value in values.items()}


def validate_example(example: Any, number: int, fields: Sequence[str] | None) -> Example:
    """Check that an example is complete and has text only, and return a copy; errors name it by its number.

    Besides `input` and `output` it may have the keys in `fields`; `None` allows any.
    """
    name = f"example {number}"
    for key, value in zip(("input", "output"), split_example(example, name), strict=True):
        if not validate_text(value, f"{name}'s {key!r}").strip():
            raise PromptError(f"{name}'s {key!r} is empty")
    for key, value in example.items():
        if fields is not None and key not in ("input", "output", *fields):
            raise PromptError(f"{name} has the key {key!r}, which is no field of the prompt")
        validate_text(value, f"{name}'s {key!r}")
    return dict(example)


def split_example(example: Any, name: str) -> tuple[Any, Any]:
    """Return input and output of an example, or raise `PromptError` if it is no dictionary with both."""
    if not isinstance(example, Mapping):
        raise PromptError(f"{name} is {kind_of(example)}, but must be a dictionary with 'input' and 'output'")
    for key in ("input", "output"):
        if key not in example:
            raise PromptError(f"{name} has no {key!r}; its keys are {', '.join(map(repr, example)) or 'none'}")
    return example["input"], example["output"]


def or_error(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns, or the `LlmkitError` that it raises."""
    try:
        return function(*arguments)
    except LlmkitError as error:
        return error
