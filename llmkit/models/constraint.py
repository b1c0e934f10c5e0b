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
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

from llmkit.errors import ConstraintError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Constraint:
    """A grammar, compiled for one tokenizer."""

    grammar: str
    vocabulary: LLTokenizer

    def start(self) -> Matcher:
        """Begin an answer."""
        return Matcher(LLMatcher(self.vocabulary, self.grammar))


class Matcher:
    """How far an answer has come in its grammar."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    def mask(self, scores: torch.Tensor) -> None:
        """Set to -inf, in scores [vocabulary], what may not come next."""
        bits = allocate_token_bitmask(1, scores.shape[0])
        fill_next_token_bitmask(self._matcher, bits)
        allowed = np.unpackbits(bits.view(np.uint8)[0], count=scores.shape[0], bitorder="little").astype(bool)
        scores.masked_fill_(~torch.from_numpy(allowed).to(scores.device), -torch.inf)

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


class Grammars:
    """Makes constraints for one tokenizer; a grammar that was checked once is not checked again."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, size: int) -> None:
        """Take the tokenizer, and the number of logits, which may be larger than the vocabulary."""
        from llguidance.hf import from_tokenizer

        try:
            self._vocabulary = from_tokenizer(tokenizer, n_vocab=max(size, len(tokenizer)))
        except (ValueError, NotImplementedError, KeyError, TypeError) as error:
            raise ConstraintError(
                f"constrained decoding cannot work with {type(tokenizer).__name__} of this model: {error}"
            ) from error
        self._checked: set[str] = set()

    def json_schema(self, schema: Mapping[str, Any]) -> Constraint:
        """Allow the JSON values that a schema allows.

        White space between them is left out: a small model would fill its answer with it.
        """
        compact = {"item_separator": ",", "key_separator": ":", "whitespace_flexible": False}
        return self._make(LLMatcher.grammar_from_json_schema(json.dumps(dict(schema)), defaults=compact))

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
        return Constraint(grammar, self._vocabulary)
