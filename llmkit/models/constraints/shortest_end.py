"""Short completions of a text under a grammar.

A grammar does not say how far its end is. So a walk goes ahead by tokens that are forced, else by an example of a
pattern, else by one that closes something, else, where that repeats itself, by one that leads to a new state. Where the
walk finds no end, or a long one, a search (uniform cost, over copies of the matcher) tries the walk from other states.
"""

from __future__ import annotations

import heapq
import itertools
import json
from string import printable
from typing import NamedTuple

import numpy as np
from llguidance import LLMatcher, LLTokenizer

from llmkit.models.constraints.pattern_examples import grammar_examples
from llmkit.models.constraints.vocabulary import tokens_for

_REPEATS, _RECENT = 3, 8  # a token chosen three times of the latest eight may be a loop, or count, as for `[a-z]{5}`
_GRAMMAR_CHARACTERS = 32  # characters beyond ASCII that are taken from the grammar, at most
_SUFFIXES = 400  # ends of examples that are tried, at most
_LONGEST_TOKENS = 4  # of those allowed, that the search tries too: they make a shorter way
_LONGEST_END = 16_384
_SEARCH_CHARACTERS = "0aA -._@:/"

_END = b""

Exits = list[tuple[list[int], bytes, bool]]
"""Tokens that lead to different states: the tokens, the token mask after them, and whether other tokens are forced."""

State = tuple[bytes, tuple[int, ...]]
"""What states are told apart by: the token mask, and how many tokens of each example may follow."""


class End(NamedTuple):
    """An end that was found, if any, and whether no end within the limit was overlooked."""

    tokens: list[int] | None
    certain: bool


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
        texts = grammar_examples(grammar)
        self._suffixes = _suffixes(vocabulary, texts)
        steps = dict.fromkeys([*_SEARCH_CHARACTERS, *"".join(texts)])
        self._steps = [tokens for one in steps if (tokens := tokens_of.get(one) or tokens_for(vocabulary, one))]
        self._lengths = np.array([len(vocabulary.decode_bytes([one])) for one in range(vocabulary.vocab_size)])
        self._exits: dict[bytes, Exits] = {}  # by token mask

    def find(self, matcher: LLMatcher, limit: int, *, work: int) -> End:
        """Return tokens that complete the text from here; `work` bounds the states that are searched.

        The tokens may be more than `limit` where there are no fewer.
        """
        most = max(limit, 4096)
        walked = self._walk(matcher, most, patient=True) or self._walk(matcher, most, patient=False)
        if walked is not None and len(walked) <= limit:
            return End(walked, certain=True)
        searched = self._search(matcher, limit, work)
        return searched if searched.tokens is not None else End(walked, searched.certain)

    def find_far(self, matcher: LLMatcher) -> list[int] | None:
        """Return tokens that complete the text, if one walk finds them: to say how many a long text needs."""
        return self._walk(matcher, _LONGEST_END, patient=True)

    def _walk(self, matcher: LLMatcher, limit: int, *, patient: bool) -> list[int] | None:
        """Go ahead to an end; if patient, through loops that force tokens, such as the strings of an object."""
        ahead = matcher.deep_copy()
        path: list[int] = []
        chosen: list[list[int]] = []
        visited: set[bytes] = set()
        while not (ahead.is_stopped() or ahead.is_accepting()):
            new = ahead.compute_ff_tokens() or self._example_tokens(ahead)
            if not new:
                chosen.append(self._closing_tokens(ahead))
                if chosen[-_RECENT:].count(chosen[-1]) >= _REPEATS:
                    chosen[-1] = self._leaving_tokens(ahead, chosen[-1], visited, patient=patient)
                new = chosen[-1]
            if len(path) + len(new) > limit or not ahead.consume_tokens(new):
                return None
            path += new
        return None if ahead.is_error() else path

    def _example_tokens(self, ahead: LLMatcher) -> list[int]:
        """Return the shortest end of an example that completes a string or the text; none where brackets can close."""
        if not self._suffixes or self._allows(ahead, self._quote):
            return []
        if self._allows(ahead, self._brace) != self._allows(ahead, self._bracket):
            return []
        for tokens in self._suffixes:
            if ahead.validate_tokens(tokens) == len(tokens):
                after = ahead.deep_copy()
                after.consume_tokens(tokens)
                if after.is_stopped() or after.is_accepting() or self._allows(after, self._quote):
                    return tokens
        return []

    @staticmethod
    def _allows(ahead: LLMatcher, tokens: list[int] | None) -> bool:
        return bool(tokens) and ahead.validate_tokens(tokens or []) == len(tokens or [])

    def _search(self, matcher: LLMatcher, limit: int, work: int) -> End:
        """Walk from states near this one, those with the fewest tokens first."""
        order = itertools.count()
        queue: list[tuple[int, int, list[int], LLMatcher]] = [(0, 0, [], matcher.deep_copy())]
        known: set[State] = set()
        while queue:
            if not work:
                return End(None, certain=False)
            work -= 1
            cost, _, path, state = heapq.heappop(queue)
            rest = self._walk(state, limit - cost, patient=False)
            if rest is not None:
                return End(path + rest, certain=True)
            for tokens in self._next_tokens(state):
                after = state.deep_copy()
                if cost + len(tokens) > limit or not after.consume_tokens(tokens):
                    continue
                key = self._state_of(after)
                if key not in known:
                    known.add(key)
                    heapq.heappush(queue, (cost + len(tokens), next(order), path + tokens, after))
        return End(None, certain=True)

    def _next_tokens(self, state: LLMatcher) -> list[list[int]]:
        forced = list(state.compute_ff_tokens())
        if forced:
            return [forced]
        closing = [tokens for tokens in (self._quote, self._brace, self._bracket) if tokens]
        options = [tokens for tokens in (*closing, *self._suffixes, *self._steps) if self._allows(state, tokens)]
        allowed = np.flatnonzero(np.unpackbits(np.frombuffer(state.compute_bitmask(), np.uint8), bitorder="little"))
        allowed = allowed[allowed < len(self._lengths)]
        longest = allowed[np.argsort(-self._lengths[allowed], kind="stable")[:_LONGEST_TOKENS]]
        return [*options, *([int(token)] for token in longest)]

    def _state_of(self, state: LLMatcher) -> State:
        probes = tuple(state.validate_tokens([*tokens, *(self._quote or ())]) for tokens in self._suffixes)
        return state.compute_bitmask(), probes

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


def _suffixes(vocabulary: LLTokenizer, texts: list[str]) -> list[list[int]]:
    """Return the tokens of all ends of texts, plain and as within a JSON string, the shortest first."""
    written = dict.fromkeys(form for text in texts for form in (text, json.dumps(text, ensure_ascii=False)[1:-1]))
    ends = dict.fromkeys(text[start:] for text in written for start in range(len(text)))
    shortest = sorted(ends, key=len)[:_SUFFIXES]
    return sorted(filter(None, (tokens_for(vocabulary, text) for text in shortest)), key=len)
