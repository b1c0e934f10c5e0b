"""The tokens of a text for a tokenizer that is not known, estimated from its characters."""

from __future__ import annotations

import regex

QUARTERS = 4
"""Estimates are in quarters of a token."""
_HALF_TOKENS = regex.compile(r"[0-9]")
_WHOLE_TOKENS = regex.compile(
    r"""
      [^A-Za-z0-9\s]
    | (?<= [^A-Za-z\s] ) [A-Za-z]                    # the first letter of a name in code or in an address
    | (?<! [A-Za-z] ) [A-Za-z] (?! [A-Za-z] )        # a single letter
    """,
    regex.VERBOSE,
)


class TokenEstimate:
    """A `TokenCounter` that counts in quarters of a token, for passages that tokenizers of any vocabulary keep short.

    A letter of ASCII or a space is a quarter, as in English prose; a digit is half a token; another character is a
    whole one, as signs are, and letters of other scripts to the vocabularies of English.
    """

    def get_num_tokens(self, text: str) -> int:
        """Return the estimate in quarters of a token."""
        half, whole = (len(pattern.findall(text)) for pattern in (_HALF_TOKENS, _WHOLE_TOKENS))
        return len(text) + half + (QUARTERS - 1) * whole

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the half-open range of characters of each quarter of a token."""
        quarters = [1] * len(text)
        for pattern, cost in ((_HALF_TOKENS, 2), (_WHOLE_TOKENS, QUARTERS)):
            for match in pattern.finditer(text):
                quarters[match.start()] = cost
        return [(place, place + 1) for place, count in enumerate(quarters) for _ in range(count)]
