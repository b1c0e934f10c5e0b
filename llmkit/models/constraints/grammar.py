"""Constraints: which tokens may come next under a JSON schema, a regular expression, choices or a Lark grammar.

llguidance (Microsoft) computes the token masks, about 50 µs a token. They are applied with NumPy, because its own
kernel for torch needs a C++ compiler at the first use.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from llguidance import LLMatcher, LLParserLimits

from llmkit.errors import ConstraintError, SettingsError
from llmkit.models.constraints.finite_numbers import MAX_NUMBER, FiniteNumbers
from llmkit.models.constraints.json_schemas import compilable
from llmkit.models.constraints.pattern_examples import check_sizes, json_patterns
from llmkit.models.constraints.shortest_end import End, ShortestEnd
from llmkit.models.constraints.vocabulary import build_vocabulary, drops_first_space, tokens_for

_CACHED_CONSTRAINTS = 64
_FIRST_WORK, _LATER_WORK = 96, 12  # states that are searched for an end: before the completion, and at each token
_MAX_SKIP = 8  # tokens without a search, after searches that found nothing

_LIMITS = LLParserLimits(initial_lexer_fuel=10**7, step_lexer_fuel=10**7, max_lexer_states=10**6, verbose_errors=False)
"""Enough for a pattern beside a length of thousands of characters."""

JSON_STYLE: Any = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
"""JSON on one line, as Python writes it: with free white space, small models write white space without end."""


@dataclass(frozen=True)
class Constraint:
    """A grammar, compiled for one tokenizer."""

    grammar: str
    matcher: LLMatcher = field(repr=False, compare=False)
    shortest_end: ShortestEnd = field(repr=False, compare=False)
    numbers: FiniteNumbers | None = field(default=None, repr=False, compare=False)

    def start(self, max_new_tokens: int) -> Matcher:
        """Begin a completion, or raise `SettingsError` if it needs more tokens, `ConstraintError` if there is none.

        Where it is not found out in time how the completion may end, it begins all the same.
        """
        end, certain = self.shortest_end.find(self.matcher, max_new_tokens, work=_FIRST_WORK)
        if end is None and certain and self.shortest_end.unwritable:
            characters = " ".join(map(repr, self.shortest_end.unwritable[:8]))
            raise ConstraintError(f"the constraint has no completion: the model has no tokens that write {characters}")
        if end is None and certain:
            end = self.shortest_end.find_far(self.matcher)
        if end is not None and len(end) > max_new_tokens and certain:
            raise SettingsError(
                f"max_new_tokens is {max_new_tokens}, but the constraint needs more: {len(end)} tokens are enough"
            )
        known = end if end is None or len(end) <= max_new_tokens else None
        return Matcher(self.matcher.deep_copy(), self.shortest_end, known, self.numbers)


class Matcher:
    """The state of one completion in its grammar.

    Attributes:
        shortest_end: tokens that complete the text from here, such as the quotes and brackets that are open; `None` if
            none were found in time.
    """

    def __init__(
        self,
        matcher: LLMatcher,
        finder: ShortestEnd,
        shortest_end: list[int] | None,
        numbers: FiniteNumbers | None = None,
    ) -> None:
        self._matcher = matcher
        self._numbers = numbers
        self._text = ""  # the latest characters
        self._finder = finder
        self.shortest_end = shortest_end
        self._misses = 0
        self._skip = 0

    def allows(self, token: int, remaining: int) -> bool:
        """Return whether the text can be completed within `remaining` tokens after this token, which is to come next.

        If so, `shortest_end` is updated to what follows the token. Where it is not known, the token is allowed.
        """
        after = self._matcher.deep_copy()
        if self.shortest_end and self.shortest_end[0] == token:
            self.shortest_end = self.shortest_end[1:]
            return True
        if not after.consume_token(token):
            return True  # not part of the grammar, such as a token that ends every completion
        end, certain = self._find(after, remaining)
        if end is not None and len(end) <= remaining:
            self.shortest_end, self._misses = end, 0
            return True
        if self.shortest_end is not None and (certain or end is not None or remaining <= len(self.shortest_end)):
            return False  # the end that is known before this token fits; after it, none is known that does
        self.shortest_end = None
        return True

    def _find(self, after: LLMatcher, remaining: int) -> End:
        """Look for an end; after searches that found none, only now and then."""
        if self._skip:
            self._skip -= 1
            return End(None, certain=False)
        found = self._finder.find(after, remaining, work=_LATER_WORK)
        if found.tokens is None or len(found.tokens) > remaining:
            self._misses += 1
            self._skip = min(2**self._misses, _MAX_SKIP)
        return found

    def mask(self, scores: torch.Tensor) -> None:
        """Set scores `[vocabulary]` of forbidden tokens to -inf, in place."""
        allowed = torch.from_numpy(self.allowed_tokens(len(scores))).to(scores.device)
        scores.masked_fill_(~allowed, -torch.inf)

    def allowed_tokens(self, count: int) -> npt.NDArray[np.bool_]:
        """Return which of the first `count` tokens of the vocabulary are allowed next."""
        mask = self._matcher.compute_bitmask()
        self._check()
        bits = np.unpackbits(np.frombuffer(mask, dtype=np.uint8), bitorder="little").astype(bool)
        infinite = self._numbers.infinite(self._text, self._matcher) if self._numbers else []
        if infinite:
            finite = bits.copy()
            finite[infinite] = False
            bits = finite if finite.any() else bits
        return np.pad(bits[:count], (0, max(count - len(bits), 0)))

    def consume(self, token: int) -> None:
        """Advance by the chosen token."""
        if not self._matcher.consume_token(token):
            raise ConstraintError(
                f"the constraint does not allow the chosen token ({_reason(self._matcher)}): make the schema or the "
                "pattern simpler"
            )
        if self._numbers:
            self._text = (self._text + self._numbers.ascii_text(token))[-MAX_NUMBER:]

    def forced_tokens(self) -> list[int]:
        """Return the tokens that must come next because nothing else is allowed."""
        tokens = [] if self._matcher.is_stopped() else list(self._matcher.compute_ff_tokens())
        if self.shortest_end is not None:
            self.shortest_end = self.shortest_end[len(tokens) :]
        return tokens

    @property
    def complete(self) -> bool:
        """Whether nothing can follow."""
        self._check()
        return bool(self._matcher.is_stopped())

    def _check(self) -> None:
        """Raise `ConstraintError` where the grammar gave up, which is no end of the text."""
        if self._matcher.is_error():
            raise ConstraintError(
                f"the constraint is too complex ({_reason(self._matcher)}): make its patterns simpler"
            )


class ConstraintFactory:
    """Compiles constraints for one tokenizer, and caches the latest."""

    def __init__(self, tokenizer: Any, vocabulary_size: int, eos_token_ids: Iterable[int] = ()) -> None:
        """Prepare a tokenizer; `vocabulary_size` is the number of logits, which may be larger than its vocabulary."""
        ends = sorted({*eos_token_ids, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])})
        self._vocabulary = build_vocabulary(tokenizer, vocabulary_size, ends)
        self._numbers = FiniteNumbers(self._vocabulary)
        self._drops_first_space = drops_first_space(tokenizer, self._vocabulary)
        self._compile = lru_cache(_CACHED_CONSTRAINTS)(self._compile_grammar)

    @cached_property
    def for_continuations(self) -> ConstraintFactory:
        """The factory for completions that continue the prompt's text, so that their first space is not dropped."""
        if not self._drops_first_space:
            return self
        other = copy.copy(self)
        other._drops_first_space = False
        other._compile = lru_cache(_CACHED_CONSTRAINTS)(other._compile_grammar)
        return other

    def token_bytes(self, token: int) -> bytes | None:
        """Return the bytes that a token writes; `None` for a special token."""
        return None if self._vocabulary.is_special_token(token) else self._vocabulary.decode_bytes([token])

    def json_schema(self, schema: Mapping[str, Any]) -> Constraint:
        """Allow the JSON values that a schema allows, written on one line."""
        try:
            text = json.dumps(compilable(schema))
        except ConstraintError:
            raise
        except (TypeError, ValueError, RecursionError) as error:
            raise ConstraintError(f"this is no JSON schema: {error}") from error
        try:
            return self._compile(LLMatcher.grammar_from_json_schema(text, defaults=JSON_STYLE))
        except ConstraintError as error:
            for pattern in json_patterns(text):
                if LLMatcher.validate_grammar(LLMatcher.grammar_from_regex(pattern), self._vocabulary):
                    raise ConstraintError(f"the pattern {pattern!r} of the schema cannot be used: {error}") from error
            raise

    def lark(self, grammar: str) -> Constraint:
        """Allow what a grammar in llguidance's Lark dialect derives."""
        return self._compile(LLMatcher.grammar_from_lark(grammar))

    def regex(self, pattern: str) -> Constraint:
        """Allow full matches of a regular expression, in Rust's syntax: without look-around and backreferences."""
        return self._compile(LLMatcher.grammar_from_regex(pattern), keep_first_space=True)

    def choice(self, options: Sequence[str]) -> Constraint:
        """Allow only these texts."""
        if not options:
            raise ConstraintError("a choice needs at least one option")
        for option in options:
            if not tokens_for(self._vocabulary, option):
                raise ConstraintError(f"{option!r} cannot be a choice: the model has no tokens that write it")
        return self._compile("start: " + " | ".join(map(_lark_string, options)), keep_first_space=True)

    def _compile_grammar(self, grammar: str, *, keep_first_space: bool = False) -> Constraint:
        """Compile a grammar; with `keep_first_space` the completion's text matches it exactly, else but for a space."""
        body = json.loads(grammar)["grammars"][0] if grammar.startswith("{") else {"lark_grammar": grammar}
        check_sizes(grammar)
        matcher = self._new_matcher(grammar)
        if self._drops_first_space:  # the usual first tokens begin with a space, which decoding drops
            may_begin_with_space = matcher.validate_tokens(tokens_for(self._vocabulary, " ") or []) > 0
            start = 'start: " " @body' if may_begin_with_space and keep_first_space else 'start: " "? @body'
            parts = [{"lark_grammar": start}, {**body, "name": "body"}]
            matcher = self._new_matcher(json.dumps({"grammars": parts}, ensure_ascii=False))
        text = body.get("lark_grammar") or json.dumps(body["json_schema"], ensure_ascii=False)
        numbers = self._numbers if "json_schema" in body or "%json" in text else None
        return Constraint(grammar, matcher, ShortestEnd(self._vocabulary, text), numbers)

    def _new_matcher(self, grammar: str) -> LLMatcher:
        matcher = LLMatcher(self._vocabulary, grammar, log_level=0, limits=_LIMITS)
        if matcher.is_error():
            raise ConstraintError(f"this cannot be a constraint: {_reason(matcher)}")
        return matcher


def _reason(matcher: LLMatcher) -> str:
    return " ".join(matcher.get_error().replace("<non-verbose/>", "").split())


def _lark_string(text: str) -> str:
    escaped = json.dumps(text, ensure_ascii=False)
    return re.sub("[\x7f-\x9f]", lambda match: f"\\u{ord(match[0]):04x}", escaped)
