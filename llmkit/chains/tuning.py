"""Numbers that were fitted on one model, and content-free inputs to measure what a model prefers.

Each chain has a `Tuning` beside it: a frozen object with every number that was fitted on a model, named for that model.
A chain over another model takes neutral values, which claim nothing, and says in its results that they are not
calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from llmkit.errors import InputError

NEUTRAL_TEXTS = (
    "N/A",
    "[MASK]",
    "...",
    "null",
    "?",
    "The weather was mild for most of the week, and a little rain fell on Sunday night.",
    "How do I find out more about this, and whom should I ask?",
    "It was one of the best things that I have seen this year, although not everyone agreed.",
    "The company said on Monday that its new plan would begin next month.",
    "The team worked hard in the second half, but the result did not change.",
    "Researchers have found a new way to look at an old question.",
    "Leaders of the two countries will meet next week to talk about the agreement.",
    "I tried it twice and it still does not work. Can you help me?",
    "What is the name of the place where it happened?",
    "The book is too long, but the ending is worth the wait.",
    "Prices rose a little in March, after they had fallen for most of the winter.",
    "The new version is faster than the old one and can be downloaded for free.",
    "She opened the door, looked outside, and went back to her chair.",
    "Please let me know when it is done.",
    "Thanks for your message. I will write to you again tomorrow.",
    "Who was the first person to do it, and when?",
    "Add the rest of the water slowly, then let it stand for ten minutes.",
    "They were disappointed by the service and left early.",
    "The report describes how the two groups came to an agreement.",
    "There are three parts, and the second is the longest.",
    "The street was closed for two hours after the accident.",
    "He has been working on it since last summer.",
    "Everything arrived on time and looks just like the picture.",
    "Why does it take so long?",
)
"""Content-free inputs for labels: five empty ones, and everyday sentences of many fields."""

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
