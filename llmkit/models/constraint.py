"""Which tokens may come next: answers that hold to a schema, a pattern, a choice, or the words of a source.

The work is llguidance's (Microsoft; derivative-based, about 50 µs a token). Its mask is applied here with NumPy's bits,
because its own kernel for torch is compiled by a C++ compiler at the first use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from llguidance import LLMatcher, LLTokenizer

from llmkit.errors import ConstraintError, SettingsError

if TYPE_CHECKING:
    pass

_SPARE, _LONGEST = 64, 512

_CLOSERS = ('"', "}", "]", "0", "null", "false", "{", "[", "a")
"""What ends JSON soonest, in this order."""

COMPACT: Any = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
"""JSON on one line, as Python writes it: free white space is where a small model loses itself."""


@dataclass(frozen=True)
class Constraint:
    """A grammar, compiled for one tokenizer."""

    grammar: str
    vocabulary: LLTokenizer

    closers: tuple[int, ...]

    def start(self, limit: int) -> Matcher:
        """Begin an answer of at most `limit` tokens.

        Raises:
            SettingsError: not even the shortest answer that the grammar allows has so few tokens.
        """
        matcher = Matcher(LLMatcher(self.vocabulary, self.grammar), self.closers)
        shortest = len(matcher.completion())
        if shortest > limit:
            raise SettingsError(f"max_new_tokens is {limit}, but the shortest answer allowed has {shortest} tokens")
        matcher.reserve = 2 * shortest + _SPARE
        return matcher


class Matcher:
    """How far an answer has come in its grammar.

    Attributes:
        reserve: so many tokens before the limit, the answer's completion is watched.
    """

    def __init__(self, matcher: LLMatcher, closers: tuple[int, ...]) -> None:
        self._matcher = matcher
        self._closers = closers
        self.reserve = 0

    def completion(self) -> list[int]:
        """Give a short way to end the answer from here, such as the quotes and brackets that are open."""
        ahead, tokens = self._matcher.deep_copy(), list[int]()
        while not ahead.is_stopped() and not ahead.is_accepting() and len(tokens) < _LONGEST:
            new = ahead.compute_ff_tokens() or [self._closing(ahead)]
            if not ahead.consume_tokens(new):
                break
            tokens += new
        return tokens

    def leads_too_far(self, token: int, remaining: int) -> bool:
        """Whether the answer could not be ended within `remaining` tokens after this one."""
        if remaining > self.reserve:
            return False
        after = Matcher(self._matcher.deep_copy(), self._closers)
        return bool(after._matcher.consume_token(token)) and len(after.completion()) >= remaining

    def _closing(self, ahead: LLMatcher) -> int:
        allowed = _allowed(ahead)
        return next((token for token in self._closers if allowed[token]), int(allowed.argmax()))

    def mask(self, scores: torch.Tensor) -> None:
        """Set to -inf, in scores [vocabulary], what may not come next."""
        allowed = torch.from_numpy(_allowed(self._matcher)[: len(scores)]).to(scores.device)
        scores[: len(allowed)].masked_fill_(~allowed, -torch.inf)
        scores[len(allowed) :] = -torch.inf

    def consume(self, token: int) -> None:
        """Take a token that was chosen."""
        if not self._matcher.consume_token(token):
            raise ConstraintError(f"the constraint cannot go on: {self._matcher.get_error()}")

    def forced(self) -> list[int]:
        """Give the tokens that must come next, as there is no choice."""
        return [] if self._matcher.is_stopped() else list(self._matcher.compute_ff_tokens())

    @property
    def complete(self) -> bool:
        """Whether nothing can follow."""
        return bool(self._matcher.is_stopped())


def closed(schema: Any) -> Any:
    """Give a JSON schema in which an object has only the properties it names, unless it says otherwise itself.

    By the standard anything may be added; a model would add things for ever.
    """
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    inner = {key: closed(item) for key, item in schema.items()}
    return {"additionalProperties": False, **inner} if isinstance(inner.get("properties"), dict) else inner


def _allowed(matcher: LLMatcher) -> npt.NDArray[np.bool_]:
    mask = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
    return np.unpackbits(mask, bitorder="little").astype(bool)


class Grammars:
    """Makes constraints for one tokenizer; a grammar that was checked once is not checked again."""

    def __init__(self, tokenizer: Any, size: int) -> None:
        """Take the tokenizer, and the number of logits, which may be larger than the vocabulary."""
        from llguidance.hf import from_tokenizer

        try:
            self._vocabulary = from_tokenizer(tokenizer, n_vocab=max(size, len(tokenizer)))
        except (ValueError, NotImplementedError, KeyError, TypeError) as error:
            raise ConstraintError(
                f"constrained decoding cannot work with {type(tokenizer).__name__} of this model: {error}"
            ) from error
        encoded = (tokenizer.encode(text, add_special_tokens=False) for text in _CLOSERS)
        self._closers = tuple(ids[-1] for ids in encoded if ids)
        self._checked: set[str] = set()

    def json_schema(self, schema: Mapping[str, Any]) -> Constraint:
        """Allow the JSON values that a schema allows, written on one line."""
        return self._make(LLMatcher.grammar_from_json_schema(json.dumps(closed(schema)), defaults=COMPACT))

    def lark(self, grammar: str) -> Constraint:
        """Allow what a grammar in llguidance's Lark dialect derives."""
        return self._make(LLMatcher.grammar_from_lark(grammar))

    def regex(self, pattern: str) -> Constraint:
        """Allow what matches a regular expression as a whole; Rust's syntax, without look-around and references."""
        return self._make(LLMatcher.grammar_from_regex(pattern))

    def choice(self, options: Sequence[str]) -> Constraint:
        """Allow just these texts."""
        if not options:
            raise ConstraintError("a choice needs at least one option")
        return self.lark("start: " + " | ".join(json.dumps(option, ensure_ascii=False) for option in options))

    def span(self, source: str, *, by: str = "words") -> Constraint:
        """Allow a piece of the source, verbatim: whole words of it, or with `by="chars"` any characters."""
        return self.lark(f"start: %regex {json.dumps({f'substring_{by}': source}, ensure_ascii=False)}")

    def _make(self, grammar: str) -> Constraint:
        if grammar not in self._checked:
            problem = LLMatcher.validate_grammar(grammar, self._vocabulary)
            if problem:
                raise ConstraintError(f"this cannot be made a constraint: {str(problem).splitlines()[0]}")
            self._checked.add(grammar)
        return Constraint(grammar, self._vocabulary, self._closers)
