"""Numbers that were fitted on one model, and content-free inputs to measure what a model prefers.

Each chain has a `Tuning` beside it: a frozen object with every number that was fitted on a model, named for that model.
A chain over another model takes neutral values, which claim nothing, and says in its results that they are not
calibrated.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from llmkit.errors import InputError, kind_of
from llmkit.regular_files import read_regular, reason

FORMAT = "llmkit tunings, version 1"

NEUTRAL_SENTENCES = (
    "The weather was cold in the morning, and it rained for most of the afternoon.",
    "She opened the old door and found a small box full of letters on the table.",
    "They say that the new rules will make it easier for people to find work.",
    "If you add too much water, the bread does not rise, so measure it first.",
)
"""Sentences without any name: what a model says of their words is its prior for words that name nothing."""

NEUTRAL_QUESTION = "What does the text say?"
"""Asks for nothing in particular, to measure how likely a span is as the answer to any question."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The numbers of a chain that were fitted on `model`, an `llm.model_name`; `None` for neutral values."""

    model: str | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the numbers of this chain from a file that `python -m benchmarks.tune` or `save_tunings` wrote.

        Raises:
            InputError: the file cannot be read, has none of this chain, or has names or values that are wrong.
        """
        try:
            content = json.loads(read_regular(Path(path)))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path} is no file of tunings: {reason(error)}") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InputError(f"{path} is no file of tunings: its format is not {FORMAT!r}")
        if cls.__name__ not in content:
            found = ", ".join(name for name in content if name != "format") or "none"
            raise InputError(f"{path} has no {cls.__name__}, but {found}")
        given = content[cls.__name__]
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise InputError(
                f"{path} has {unknown[0]!r}, which is no number of {cls.__name__}: was it written earlier?"
            )
        try:
            loaded: Self = TypeAdapter(cls).validate_python(given)
        except ValidationError as error:
            raise InputError(f"{path} has wrong values for {cls.__name__}: {error}") from error
        return loaded


def save_tunings(path: str | os.PathLike[str], tunings: Sequence[Tuning]) -> None:
    """Write the numbers of one or more chains into a JSON file, for `Tuning.load`; others in the file stay.

    Raises:
        InputError: the file cannot be written, or is another one.
    """
    target, content = Path(path), dict[str, Any](format=FORMAT)
    try:
        if target.exists():
            content = json.loads(read_regular(target))
            if not isinstance(content, dict) or content.get("format") != FORMAT:
                raise InputError(f"{path} exists, and is no file of tunings: name another file")
        for tuning in tunings:
            content[type(tuning).__name__] = _plain(tuning)
        target.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be written: {reason(error)}") from error


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; infinity, which JSON has no number for, is "inf", which pydantic reads."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, float) and math.isinf(value) else value


T = TypeVar("T", bound=Tuning)


def select_tuning(llm: Any, tuning: T | None, fitted: T, neutral: T) -> T:
    """Return the tuning that is given, else the fitted one if it was fitted on this model, else the neutral one."""
    if tuning is None:
        return fitted if is_fitted_on(fitted, llm) else neutral
    if not isinstance(tuning, type(neutral)):
        raise InputError(f"tuning is {kind_of(tuning)}, but must be a {type(neutral).__name__}")
    return tuning


def is_fitted_on(tuning: Tuning, llm: Any) -> bool:
    """Return whether the numbers were fitted on this very model, with the weights that it was loaded with."""
    is_same = tuning.model is not None and getattr(llm, "model_name", None) == tuning.model
    return is_same and not getattr(llm, "weights_version", 0)
