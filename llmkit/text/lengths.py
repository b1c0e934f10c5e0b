"""Texts that are far too long for a context window, without counting all of their tokens."""

from __future__ import annotations

from collections.abc import Callable

_CHARACTERS_PER_TOKEN = 8
"""More than a token has in any usual text."""

_COUNTED = 100_000
"""Characters that are counted exactly, in a tenth of a second."""


def estimate_too_long(text: str, window: int, count: Callable[[str], int]) -> int | None:
    """Return about how many tokens a text has that cannot fit a window, from its beginning; `None` if it may fit.

    To encode megabytes takes seconds and a gigabyte.

    Args:
        text: the text.
        window: in tokens.
        count: counts the tokens of a text.
    """
    begin = text[: max(_CHARACTERS_PER_TOKEN * window, _COUNTED)]
    if len(text) <= 2 * len(begin) or (tokens := count(begin)) <= window:
        return None
    return tokens * len(text) // len(begin)
