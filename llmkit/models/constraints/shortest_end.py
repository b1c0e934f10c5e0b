"""Short ways to end an answer that is held to a grammar.

No grammar says how far its end is. So this walks ahead: by what is forced, else by a token that closes something,
else, where that goes in a circle, by one that leads to where it has not been.
"""

from __future__ import annotations

import itertools
from string import printable
from typing import TYPE_CHECKING

from llmkit.models.constraints.vocabulary import writes

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

_CIRCLE, _LATELY = 3, 8
"""A token chosen three times lately may be walking in a circle, or counting, as for the pattern `[a-z]{5}`."""

_OWN = 32
"""So many letters of a grammar's own, from beyond ASCII, are tried."""

_END = b""

Exits = list[tuple[list[int], bytes, bool]]
"""Tokens that make a difference, the mask of what may come after them, whether something is forced there."""


class Closing:
    """Finds ways to the end of one grammar, with one tokenizer.

    Attributes:
        missing: letters that stand in the grammar and that no token writes; tokenizers like T5's have few tokens.
    """

    def __init__(self, vocabulary: LLTokenizer, grammar: str) -> None:
        own = itertools.islice(dict.fromkeys(sign for sign in grammar if sign not in printable), _OWN)
        signs = {sign: writes(vocabulary, sign) for sign in ("0", "a", *printable, *own)}
        self.missing = "".join(sign for sign, tokens in signs.items() if not tokens and sign in grammar)
        self._brace, self._bracket, self._quote = signs["}"], signs["]"], signs['"']
        self._letters = [tokens for sign, tokens in signs.items() if tokens and sign not in '\\}]"']
        self._known: dict[bytes, Exits] = {}  # for each mask

    def way(self, matcher: LLMatcher, most: int) -> list[int] | None:
        """Give at most so many tokens that end the answer from here, or `None` if none were found."""
        way = self._walk(matcher, most, patient=True)
        return self._walk(matcher, most, patient=False) if way is None else way

    def _walk(self, matcher: LLMatcher, most: int, *, patient: bool) -> list[int] | None:
        """Walk to the end; be patient with circles in which something is forced, such as the strings of an object."""
        ahead = matcher.deep_copy()
        way: list[int] = []
        chosen: list[list[int]] = []
        been: set[bytes] = set()
        while not (ahead.is_stopped() or ahead.is_accepting()):
            new = ahead.compute_ff_tokens()
            if not new:
                chosen.append(self._closing(ahead))
                if chosen[-_LATELY:].count(chosen[-1]) >= _CIRCLE:
                    chosen[-1] = self._leaving(ahead, chosen[-1], been, patient=patient)
                new = chosen[-1]
            if len(way) + len(new) > most or not ahead.consume_tokens(new):
                return None
            way += new
        return None if ahead.is_error() else way

    def _closing(self, ahead: LLMatcher) -> list[int]:
        signs = (self._brace, self._bracket, self._quote)
        closes = [one for one in signs if one and ahead.validate_tokens(one) == len(one)]
        if closes:
            return closes[-1 if len(closes) == 3 else 0]  # all three: this is inside of a string
        letter = next((one for one in self._letters if ahead.validate_tokens(one) == len(one)), None)
        return letter or [_lowest(ahead.compute_bitmask())]

    def _leaving(self, ahead: LLMatcher, usual: list[int], been: set[bytes], *, patient: bool) -> list[int]:
        mask = ahead.compute_bitmask()
        been.add(mask)
        if mask not in self._known:
            self._known[mask] = self._exits(ahead, usual)
        for tokens, after, forced in self._known[mask]:
            if after == _END or (forced and patient) or after not in been:
                been.add(after)
                return tokens
        return usual

    def _exits(self, ahead: LLMatcher, usual: list[int]) -> Exits:
        found: dict[tuple[bytes, bool], list[int]] = {}
        for tokens in (usual, *self._letters):
            if ahead.validate_tokens(tokens) < len(tokens):
                continue
            after = ahead.deep_copy()
            after.consume_tokens(tokens)
            forced = after.compute_ff_tokens()
            if forced:
                after.consume_tokens(forced)
            over = after.is_stopped() or after.is_accepting()
            found.setdefault((_END if over else after.compute_bitmask(), bool(forced)), tokens)
        return sorted(((tokens, *key) for key, tokens in found.items()), key=lambda exit_: exit_[1] != _END)


def _lowest(mask: bytes) -> int:
    """Give the lowest token that a mask allows."""
    bits = int.from_bytes(mask, "little")
    return (bits & -bits).bit_length() - 1
