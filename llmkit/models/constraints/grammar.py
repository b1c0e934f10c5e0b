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
import torch
from llguidance import LLMatcher

from llmkit.errors import ConstraintError, SettingsError
from llmkit.models.constraints.shortest_end import ShortestEnd
from llmkit.models.constraints.vocabulary import build_vocabulary, drops_first_space, tokens_for

_CACHED_CONSTRAINTS = 64
_MAX_END_TOKENS = 4096

JSON_STYLE: Any = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
"""JSON on one line, as Python writes it: with free white space, small models write white space without end."""


@dataclass(frozen=True)
class Constraint:
    """A grammar, compiled for one tokenizer."""

    grammar: str
    matcher: LLMatcher = field(repr=False, compare=False)
    shortest_end: ShortestEnd = field(repr=False, compare=False)

    def start(self, max_new_tokens: int) -> Matcher:
        """Begin a completion, or raise `SettingsError` if it needs more tokens, `ConstraintError` if there is none."""
        end = self.shortest_end.find(self.matcher, max(max_new_tokens, _MAX_END_TOKENS))
        if end is None and self.shortest_end.unwritable:
            characters = " ".join(map(repr, self.shortest_end.unwritable[:8]))
            raise ConstraintError(f"the constraint has no completion: the model has no tokens that write {characters}")
        if end is None or len(end) > max_new_tokens:
            needed = f"at least {len(end)}" if end else f"more than {_MAX_END_TOKENS}"
            raise SettingsError(f"max_new_tokens is {max_new_tokens}, but the constraint needs {needed} tokens")
        return Matcher(self.matcher.deep_copy(), self.shortest_end, end)


class Matcher:
    """The state of one completion in its grammar.

    Attributes:
        shortest_end: tokens that complete the text from here, such as the quotes and brackets that are open.
    """

    def __init__(self, matcher: LLMatcher, finder: ShortestEnd, shortest_end: list[int]) -> None:
        self._matcher = matcher
        self._finder = finder
        self.shortest_end = shortest_end

    def allows(self, token: int, remaining: int) -> bool:
        """Return whether the text can be completed within `remaining` tokens after this token, which is to come next.

        If so, `shortest_end` is updated to what follows the token.
        """
        after = self._matcher.deep_copy()
        if self.shortest_end[:1] == [token]:
            end: list[int] | None = self.shortest_end[1:]
        elif after.consume_token(token):
            end = self._finder.find(after, remaining)
        else:
            return True  # not part of the grammar, such as a token that ends every completion
        self.shortest_end = self.shortest_end if end is None else end
        return end is not None

    def mask(self, scores: torch.Tensor) -> None:
        """Set scores `[vocabulary]` of forbidden tokens to -inf, in place."""
        bits = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
        allowed = torch.from_numpy(bits[: len(scores)].astype(bool)).to(scores.device)
        scores[: len(allowed)].masked_fill_(~allowed, -torch.inf)
        scores[len(allowed) :] = -torch.inf

    def consume(self, token: int) -> None:
        """Advance by the chosen token."""
        if not self._matcher.consume_token(token):
            raise ConstraintError(f"the constraint does not allow the chosen token: {self._matcher.get_error()}")

    def forced_tokens(self) -> list[int]:
        """Return the tokens that must come next because nothing else is allowed."""
        tokens = [] if self._matcher.is_stopped() else list(self._matcher.compute_ff_tokens())
        self.shortest_end = self.shortest_end[len(tokens) :]
        return tokens

    @property
    def complete(self) -> bool:
        """Whether nothing can follow."""
        return bool(self._matcher.is_stopped())


class ConstraintFactory:
    """Compiles constraints for one tokenizer, and caches the latest."""

    def __init__(self, tokenizer: Any, vocabulary_size: int, eos_token_ids: Iterable[int] = ()) -> None:
        """Prepare a tokenizer; `vocabulary_size` is the number of logits, which may be larger than its vocabulary."""
        ends = sorted({*eos_token_ids, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])})
        self._vocabulary = build_vocabulary(tokenizer, vocabulary_size, ends)
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

    def json_schema(self, schema: Mapping[str, Any]) -> Constraint:
        """Allow the JSON values that a schema allows, written on one line."""
        try:
            text = json.dumps(forbid_extra_properties(schema))
        except (TypeError, ValueError) as error:
            raise ConstraintError(f"this is no JSON schema: {error}") from error
        return self._compile(LLMatcher.grammar_from_json_schema(text, defaults=JSON_STYLE))

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
        matcher = self._new_matcher(grammar)
        if self._drops_first_space:  # the usual first tokens begin with a space, which decoding drops
            may_begin_with_space = matcher.validate_tokens(tokens_for(self._vocabulary, " ") or []) > 0
            start = 'start: " " @body' if may_begin_with_space and keep_first_space else 'start: " "? @body'
            parts = [{"lark_grammar": start}, {**body, "name": "body"}]
            matcher = self._new_matcher(json.dumps({"grammars": parts}, ensure_ascii=False))
        text = body.get("lark_grammar") or json.dumps(body["json_schema"], ensure_ascii=False)
        return Constraint(grammar, matcher, ShortestEnd(self._vocabulary, text))

    def _new_matcher(self, grammar: str) -> LLMatcher:
        matcher = LLMatcher(self._vocabulary, grammar, log_level=0)
        if matcher.is_error():
            raise ConstraintError(f"this cannot be a constraint: {matcher.get_error().splitlines()[0]}")
        return matcher


_UNCHANGED = {"allOf", "not", "if", "const", "enum", "default", "examples"}
_SCHEMAS_BY_NAME = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
_COMBINING_KEYWORDS = {"allOf", "anyOf", "oneOf", "not", "if", "$ref"}


def forbid_extra_properties(schema: Any) -> Any:
    """Return a JSON schema whose objects have only the properties it names, unless it says otherwise.

    By the standard an object may have any others, and a model would add them without end. An object that combines
    several schemas stays open, because each of them names a part of its properties.
    """
    if isinstance(schema, list):
        return [forbid_extra_properties(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    inner = dict(schema)
    for key, item in schema.items():
        if key in _SCHEMAS_BY_NAME and isinstance(item, Mapping):
            inner[key] = {name: forbid_extra_properties(part) for name, part in item.items()}
        elif key not in _UNCHANGED:
            inner[key] = forbid_extra_properties(item)
    is_plain = isinstance(inner.get("properties"), dict) and not _COMBINING_KEYWORDS & set(inner)
    return {"additionalProperties": False, **inner} if is_plain else inner


def _lark_string(text: str) -> str:
    escaped = json.dumps(text, ensure_ascii=False)
    return re.sub("[\x7f-\x9f]", lambda match: f"\\u{ord(match[0]):04x}", escaped)
