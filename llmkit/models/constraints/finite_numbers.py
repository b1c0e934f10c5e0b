"""Numbers in JSON that Python can read: a `number` such as 1e999 follows the grammar, but would become infinite."""

from __future__ import annotations

import math
import re
from functools import cached_property

from llguidance import LLMatcher, LLTokenizer

_LONGEST_INTEGER = 300  # digits before a fraction or an exponent; the largest float has 309
MAX_NUMBER = 512
"""Characters of the text, at its end, that are looked at."""
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]*)?$")
_BEFORE_NUMBER = ("", " ", "\t", "\n", "\r", ":", "[", ",")
_BEGINNING = re.compile(r"[-+.eE0-9]+")
_LARGE_EXPONENT = re.compile(r"[eE]\+?[0-9]{2,}")


class FiniteNumbers:
    """Finds the tokens that would make a number infinite."""

    def __init__(self, vocabulary: LLTokenizer) -> None:
        self._vocabulary = vocabulary

    @cached_property
    def _numeric(self) -> dict[int, str]:
        """Tokens that may continue a number, with the characters that do."""
        found = {}
        for token in range(self._vocabulary.vocab_size):
            written = self._vocabulary.decode_bytes([token]).decode("ascii", "ignore")
            if match := _BEGINNING.match(written):
                found[token] = match[0]
        return found

    @cached_property
    def _large(self) -> dict[int, str]:
        """Tokens that write a large exponent at once."""
        return {token: text for token, text in self._numeric.items() if _LARGE_EXPONENT.search(text)}

    def ascii_text(self, token: int) -> str:
        """Return what a token writes; a character beyond ASCII, whole or in part, becomes a space."""
        return "".join(chr(byte) if byte < 128 else " " for byte in self._vocabulary.decode_bytes([token]))

    def infinite(self, text: str, matcher: LLMatcher) -> list[int]:
        """Return the tokens after which the number that ends the text, if any, would be infinite."""
        number = _NUMBER.search(text[-MAX_NUMBER:])
        if number is None:
            return []
        start = number[0]
        is_long = len(start) > _LONGEST_INTEGER
        tokens = self._numeric if is_long or "e" in start.lower() else self._large
        found = [token for token, more in tokens.items() if _is_infinite(start + more)]
        before = text[-MAX_NUMBER:][: number.start()][-1:]
        return found if found and before in _BEFORE_NUMBER and self._is_number(matcher) else []

    def _is_number(self, matcher: LLMatcher) -> bool:
        """Whether the digits are a number and not a part of a string, such as the UUID 123e4567-….

        After one more digit a number can end; within a string a quotation mark, or only what its pattern has, may come.
        """
        ahead = matcher.deep_copy()
        if self._allows(matcher, '"') or not ahead.consume_tokens(self._tokens("0")):
            return False
        return ahead.is_accepting() or any(self._allows(ahead, end) for end in ",}] ")

    def _allows(self, matcher: LLMatcher, text: str) -> bool:
        tokens = self._tokens(text)
        return bool(matcher.validate_tokens(tokens) == len(tokens))

    def _tokens(self, text: str) -> list[int]:
        return list(self._vocabulary.greedy_tokenize(text))


def _is_infinite(text: str) -> bool:
    match = re.match(r"-?([0-9]+)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?", text)
    if match is None:
        return False
    is_long = len(match[1]) > _LONGEST_INTEGER
    if match[0].lstrip("-").isdecimal():  # an integer has any length, unless an exponent begins
        return is_long and text[match.end() : match.end() + 1] in ("e", "E")
    return is_long or math.isinf(float(match[0]))
