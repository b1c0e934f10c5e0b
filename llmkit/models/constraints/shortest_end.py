"""Short completions of a text under a grammar.

A grammar does not say how far its end is. So the search goes ahead by tokens that are forced, else by one that closes
something, else, where that repeats itself, by one that leads to a new state.
"""

from __future__ import annotations

import itertools
from string import printable

from llguidance import LLMatcher, LLTokenizer

from llmkit.models.constraints.vocabulary import tokens_for

_REPEATS, _RECENT = 3, 8  # a token chosen three times of the latest eight may be a loop, or count, as for `[a-z]{5}`
_GRAMMAR_CHARACTERS = 32  # characters beyond ASCII that are taken from the grammar, at most

_END = b""

Exits = list[tuple[list[int], bytes, bool]]
"""Tokens that lead to different states: the tokens, the token mask after them, and whether other tokens are forced."""


class ShortestEnd:
    """Finds short ends under one grammar, with one tokenizer.

    Attributes:
        unwritable: characters of the grammar that no token writes; tokenizers such as T5's lack some.
    """

    def __init__(self, vocabulary: LLTokenizer, grammar: str) -> None:
        beyond_ascii = dict.fromkeys(character for character in grammar if character not in printable)
        characters = ("0", "a", *printable, *itertools.islice(beyond_ascii, _GRAMMAR_CHARACTERS))
        tokens_of = {character: tokens_for(vocabulary, character) for character in characters}
        self.unwritable = "".join(one for one, tokens in tokens_of.items() if not tokens and one in grammar)
        self._brace, self._bracket, self._quote = tokens_of["}"], tokens_of["]"], tokens_of['"']
        self._candidates = [tokens for one, tokens in tokens_of.items() if tokens and one not in '\\}]"']
        self._exits: dict[bytes, Exits] = {}  # by token mask

    def find(self, matcher: LLMatcher, limit: int) -> list[int] | None:
        """Return at most `limit` tokens that complete the text from here, or `None` if none were found."""
        end = self._walk(matcher, limit, patient=True)
        return self._walk(matcher, limit, patient=False) if end is None else end

    def _walk(self, matcher: LLMatcher, limit: int, *, patient: bool) -> list[int] | None:
        """Search for an end; if patient, through loops that force tokens, such as the strings of an object."""
        ahead = matcher.deep_copy()
        path: list[int] = []
        chosen: list[list[int]] = []
        visited: set[bytes] = set()
        while not (ahead.is_stopped() or ahead.is_accepting()):
            new = ahead.compute_ff_tokens()
            if not new:
                chosen.append(self._closing_tokens(ahead))
                if chosen[-_RECENT:].count(chosen[-1]) >= _REPEATS:
                    chosen[-1] = self._leaving_tokens(ahead, chosen[-1], visited, patient=patient)
                new = chosen[-1]
            if len(path) + len(new) > limit or not ahead.consume_tokens(new):
                return None
            path += new
        return None if ahead.is_error() else path

    def _closing_tokens(self, ahead: LLMatcher) -> list[int]:
        closing = (self._brace, self._bracket, self._quote)
        allowed = [tokens for tokens in closing if tokens and ahead.validate_tokens(tokens) == len(tokens)]
        if allowed:
            return allowed[-1 if len(allowed) == 3 else 0]  # all three are allowed inside a string
        other = next((tokens for tokens in self._candidates if ahead.validate_tokens(tokens) == len(tokens)), None)
        bits = int.from_bytes(ahead.compute_bitmask(), "little")
        return other or [(bits & -bits).bit_length() - 1]  # the lowest token

    def _leaving_tokens(self, ahead: LLMatcher, usual: list[int], visited: set[bytes], *, patient: bool) -> list[int]:
        mask = ahead.compute_bitmask()
        visited.add(mask)
        if mask not in self._exits:
            self._exits[mask] = self._find_exits(ahead, usual)
        for tokens, after, forced in self._exits[mask]:
            if after == _END or (forced and patient) or after not in visited:
                visited.add(after)
                return tokens
        return usual

    def _find_exits(self, ahead: LLMatcher, usual: list[int]) -> Exits:
        found: dict[tuple[bytes, bool], list[int]] = {}
        for tokens in (usual, *self._candidates):
            if ahead.validate_tokens(tokens) < len(tokens):
                continue
            after = ahead.deep_copy()
            after.consume_tokens(tokens)
            forced = after.compute_ff_tokens()
            if forced:
                after.consume_tokens(forced)
            complete = after.is_stopped() or after.is_accepting()
            found.setdefault((_END if complete else after.compute_bitmask(), bool(forced)), tokens)
        return sorted(((tokens, *key) for key, tokens in found.items()), key=lambda exit_: exit_[1] != _END)
