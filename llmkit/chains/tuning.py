"""Numbers that were fitted on one model, and content-free inputs to measure what a model prefers.

Each chain has a `Tuning` beside it: a frozen object with every number that was fitted on a model, named for that model.
A chain over another model takes neutral values, which claim nothing, and says in its results that they are not
calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from llmkit.errors import InputError

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


T = TypeVar("T", bound=Tuning)


def select_tuning(llm: Any, tuning: T | None, fitted: T, neutral: T) -> T:
    """Return the tuning that is given, else the fitted one if it was fitted on this model, else the neutral one."""
    if tuning is None:
        return fitted if is_fitted_on(fitted, llm) else neutral
    if not isinstance(tuning, type(neutral)):
        raise InputError(f"tuning is {type(tuning).__name__}, but must be a {type(neutral).__name__}")
    return tuning


def is_fitted_on(tuning: Tuning, llm: Any) -> bool:
    """Return whether the numbers were fitted on this very model, with the weights that it was loaded with."""
    is_same = tuning.model is not None and getattr(llm, "model_name", None) == tuning.model
    return is_same and not getattr(llm, "weights_version", 0)
