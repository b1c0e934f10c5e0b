"""Which tokens may come next: answers that hold to a schema, a pattern, a choice, or the words of a source.

The work is llguidance's (Microsoft; derivative-based, about 50 µs a token). Its mask is applied here with NumPy's bits,
because its own kernel for torch is compiled by a C++ compiler at the first use.
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
from llguidance import LLMatcher

from llmkit.errors import ConstraintError, SettingsError
from llmkit.models.constraints.shortest_end import Closing
from llmkit.models.constraints.vocabulary import drops_space, vocabulary_of, writes

_KEPT = 64  # compiled grammars
_FAR = 4096  # tokens

COMPACT: Any = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
"""JSON on one line, as Python writes it: free white space is where a small model loses itself."""


@dataclass(frozen=True)
class Constraint:
    """A grammar, compiled for one tokenizer."""

    grammar: str
    matcher: LLMatcher = field(repr=False, compare=False)
    closing: Closing = field(repr=False, compare=False)

    def start(self, limit: int) -> Matcher:
        """Begin an answer of at most `limit` tokens.

        Raises:
            SettingsError: no answer that the grammar allows is known to have so few tokens.
            ConstraintError: none can be written with the tokens that there are.
        """
        way = self.closing.way(self.matcher, max(limit, _FAR))
        if way is None and self.closing.missing:
            signs = " ".join(map(repr, self.closing.missing[:8]))
            raise ConstraintError(f"no answer of this form was found: the model has no tokens that write {signs}")
        if way is None or len(way) > limit:
            need = f"at least {len(way)}" if way else f"more than {_FAR}"
            raise SettingsError(f"max_new_tokens is {limit}, but the answer is held to a form that needs {need}")
        return Matcher(self.matcher.deep_copy(), self.closing, way)


class Matcher:
    """How far an answer has come in its grammar.

    Attributes:
        way: tokens that end the answer from here, such as the quotes and brackets that are open.
    """

    def __init__(self, matcher: LLMatcher, closing: Closing, way: list[int]) -> None:
        self._matcher = matcher
        self._closing = closing
        self.shortest_end = way

    def allows(self, token: int, remaining: int) -> bool:
        """Whether the answer can be ended within `remaining` tokens after this one; if so, it is to come next."""
        after = self._matcher.deep_copy()
        if self.shortest_end[:1] == [token]:
            way: list[int] | None = self.shortest_end[1:]
        elif after.consume_token(token):
            way = self._closing.way(after, remaining)
        else:
            return True  # no token of the grammar's, such as one that ends every answer
        self.shortest_end = self.shortest_end if way is None else way
        return way is not None

    def mask(self, scores: torch.Tensor) -> None:
        """Set to -inf, in scores [vocabulary], what may not come next."""
        allowed = torch.from_numpy(_allowed(self._matcher)[: len(scores)]).to(scores.device)
        scores[: len(allowed)].masked_fill_(~allowed, -torch.inf)
        scores[len(allowed) :] = -torch.inf

    def consume(self, token: int) -> None:
        """Take a token that was chosen."""
        if not self._matcher.consume_token(token):
            raise ConstraintError(f"the constraint cannot go on: {self._matcher.get_error()}")

    def forced_tokens(self) -> list[int]:
        """Give the tokens that must come next, as there is no choice."""
        tokens = [] if self._matcher.is_stopped() else list(self._matcher.compute_ff_tokens())
        self.shortest_end = self.shortest_end[len(tokens) :]
        return tokens

    @property
    def complete(self) -> bool:
        """Whether nothing can follow."""
        return bool(self._matcher.is_stopped())


def quote(text: str) -> str:
    """Give a text as a string of llguidance's Lark dialect."""
    return re.sub("[\x7f-\x9f]", lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


_VALUES = {"const", "enum", "default", "examples"}
_BY_NAME = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
_MIXED = {"allOf", "anyOf", "oneOf", "not", "if", "$ref"}


def closed(schema: Any) -> Any:
    """Give a JSON schema in which an object has only the properties it names, unless it says otherwise itself.

    By the standard anything may be added; a model would add things for ever. An object that is put together from
    several schemas stays open, as each of them names a part of its properties.
    """
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    inner = {
        key: item if key in ("allOf", "not", "if", *_VALUES) else _closed_in(key, item) for key, item in schema.items()
    }
    plain = isinstance(inner.get("properties"), dict) and not _MIXED & set(inner)
    return {"additionalProperties": False, **inner} if plain else inner


def _closed_in(key: str, item: Any) -> Any:
    if key in _BY_NAME and isinstance(item, Mapping):
        return {name: closed(schema) for name, schema in item.items()}
    return closed(item)


def _allowed(matcher: LLMatcher) -> npt.NDArray[np.bool_]:
    mask = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
    return np.unpackbits(mask, bitorder="little").astype(bool)


class ConstraintFactory:
    """Makes constraints for one tokenizer; the last ones made are kept."""

    def __init__(self, tokenizer: Any, size: int, ends: Iterable[int] = ()) -> None:
        """Take the tokenizer, the number of logits, which may be larger than the vocabulary, and what ends answers."""
        ends = sorted({*ends, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])})
        self._vocabulary = vocabulary_of(tokenizer, size, ends)
        self._drops_space = drops_space(tokenizer, self._vocabulary)
        self._compiled = lru_cache(_KEPT)(self._compile)

    @cached_property
    def onward(self) -> ConstraintFactory:
        """The same for answers that go on from the prompt's text, so that a space at their beginning is their own."""
        if not self._drops_space:
            return self
        other = copy.copy(self)
        other._drops_space = False
        other._compiled = lru_cache(_KEPT)(other._compile)
        return other

    def json_schema(self, schema: Mapping[str, Any]) -> Constraint:
        """Allow the JSON values that a schema allows, written on one line."""
        try:
            described = json.dumps(closed(schema))
        except (TypeError, ValueError) as error:
            raise ConstraintError(f"this is no JSON schema: {error}") from error
        return self._compiled(LLMatcher.grammar_from_json_schema(described, defaults=COMPACT))

    def lark(self, grammar: str) -> Constraint:
        """Allow what a grammar in llguidance's Lark dialect derives."""
        return self._compiled(LLMatcher.grammar_from_lark(grammar))

    def regex(self, pattern: str) -> Constraint:
        """Allow what matches a regular expression as a whole; Rust's syntax, without look-around and references."""
        return self._compiled(LLMatcher.grammar_from_regex(pattern), to_the_space=True)

    def choice(self, options: Sequence[str]) -> Constraint:
        """Allow just these texts."""
        if not options:
            raise ConstraintError("a choice needs at least one option")
        for option in options:
            if not writes(self._vocabulary, option):
                raise ConstraintError(f"{option!r} is no choice: the model has no tokens that write it")
        return self._compiled("start: " + " | ".join(map(quote, options)), to_the_space=True)

    def span(self, source: str, *, by: str = "words") -> Constraint:
        """Allow a piece of the source, verbatim: whole words of it, or with `by="chars"` any characters."""
        return self.lark(f"start: %regex {json.dumps({f'substring_{by}': source}, ensure_ascii=False)}")

    def _compile(self, grammar: str, *, to_the_space: bool = False) -> Constraint:
        """Compile a grammar; where the answer's text is to be its text `to_the_space`, no first space gets lost."""
        body = json.loads(grammar)["grammars"][0] if grammar.startswith("{") else {"lark_grammar": grammar}
        matcher = self._matcher(grammar)
        if self._drops_space:
            own = matcher.validate_tokens(writes(self._vocabulary, " ") or []) > 0
            matcher = self._matcher(_behind_space(body, always=own and to_the_space))
        told = body.get("lark_grammar") or json.dumps(body["json_schema"], ensure_ascii=False)
        return Constraint(grammar, matcher, Closing(self._vocabulary, told))

    def _matcher(self, grammar: str) -> LLMatcher:
        matcher = LLMatcher(self._vocabulary, grammar, log_level=0)
        if matcher.is_error():
            raise ConstraintError(f"this cannot be made a constraint: {matcher.get_error().splitlines()[0]}")
        return matcher


def _behind_space(body: Mapping[str, Any], *, always: bool) -> str:
    """Let a space stand before an answer whose text will be without it: the usual tokens of a beginning have one."""
    start = 'start: " " @body' if always else 'start: " "? @body'
    return json.dumps({"grammars": [{"lark_grammar": start}, {**body, "name": "body"}]}, ensure_ascii=False)
