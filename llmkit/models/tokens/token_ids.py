"""Prompts and tokens that are given as token ids, in place of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmkit.errors import InputError


def is_token_ids(prompt: Any) -> bool:
    """Return whether a prompt is a sequence of token ids."""
    return (
        isinstance(prompt, Sequence)
        and bool(prompt)
        and all(isinstance(token, int) and not isinstance(token, bool) for token in prompt)
    )


def check_token_ids(tokens: Any, vocab_size: int) -> list[int]:
    """Return token ids as a list.

    Raises:
        InputError: there are none, or one is no token of a model with so many.
    """
    if not is_token_ids(tokens):
        raise InputError(f"token ids must be a list of at least one whole number, not {tokens!r:.60}")
    if wrong := [token for token in tokens if not 0 <= token < vocab_size]:
        raise InputError(f"{wrong[0]} is no token of this model, which has those from 0 to {vocab_size - 1}")
    return list(tokens)
