"""Which texts a chain has learned from: what it answers to them says nothing about other texts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from llmkit.errors import InputError

_BITS = 48  # a float64, as arrays are saved, holds so many exactly


class SeenTexts:
    """Digests of the texts that a chain has learned from."""

    def __init__(self, digests: Iterable[int] = ()) -> None:
        self.digests = frozenset(digests)

    def with_texts(self, texts: Iterable[str]) -> SeenTexts:
        """Return these and other texts."""
        return SeenTexts(self.digests | {_digest(text) for text in texts})

    def has_any(self, texts: Iterable[str]) -> bool:
        """Return whether the chain has learned from any of these texts."""
        return any(_digest(text) in self.digests for text in texts)

    def refuse(self, texts: Sequence[str]) -> None:
        """Raise `InputError` if the chain has learned from one of these texts, or if two are the same."""
        first: dict[int, int] = {}
        for number, text in enumerate(texts, 1):
            digest = _digest(text)
            if digest in self.digests:
                raise InputError(
                    f"row {number} is one of the texts that the chain learned from, as an example or in calibrate: a "
                    "guarantee needs rows that it has not seen, so leave this row out"
                )
            if first.setdefault(digest, number) != number:
                raise InputError(
                    f"rows {first[digest]} and {number} have the same text: a guarantee counts rows that were drawn "
                    "independently, so give each text once"
                )


def _digest(text: str) -> int:
    words = " ".join(text.split()).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(words).digest()[: _BITS // 8], "big")
