"""Checks of what a prompt is made of, by pydantic; every error is a `PromptError`."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from llmkit.errors import PromptError

T = TypeVar("T")

COUNT: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(strict=True, ge=0)])
SHARE: TypeAdapter[float] = TypeAdapter(Annotated[float, Field(ge=0, le=1)])


def validate(adapter: TypeAdapter[T], value: Any, name: str) -> T:
    """Return the value as the adapter's type.

    Raises:
        PromptError: the value is of another type or out of range; names it.
    """
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
    """Check that a value is text that every tokenizer takes.

    Raises:
        PromptError: it is not a string, or has half a surrogate pair, which is no character.
    """
    if not isinstance(value, str):
        raise PromptError(f"{name} is {type(value).__name__}, but must be text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise PromptError(
            f"{name} has half a surrogate pair at {error.start}: decode the text with errors='replace'"
        ) from error
    return value
