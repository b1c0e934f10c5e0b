"""A request to the engine, and the answer to it while it is written."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmkit.models.generation.sampling import generator
from llmkit.models.tokens.detokenizer import TextStream

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from llmkit.models.constraints.grammar import Constraint, Matcher
    from llmkit.models.generation.settings import GenerationSettings


_BEFORE = 4  # tokens of a prompt, which the text of the first of an answer may depend on


@dataclass(frozen=True)
class Request:
    """One prompt, as token ids, and how to answer it.

    Attributes:
        logprobs: how many of the likeliest tokens to report in the place of each token; `None` for no scores at all.
        cancel: set it, from any thread, to stop the answer after the current token.
        goes_on: whether the answer goes on from the prompt's text, so that a space before it is its own.
        shown: special tokens that the answer's text is to show, such as one that opens a tool call.
    """

    prompt: tuple[int, ...]
    settings: GenerationSettings
    constraint: Constraint | None = None
    logprobs: int | None = None
    cancel: threading.Event = field(default_factory=threading.Event, compare=False)
    goes_on: bool = False
    shown: frozenset[int] = frozenset()


@dataclass(frozen=True)
class TokenScore:
    """A token that was chosen, its log-probability in nats, and the likeliest tokens in its place."""

    id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(eq=False)
class Answer:
    """An answer while it is written.

    Attributes:
        ids: its tokens, the one that ended it included.
        pending: its last tokens, which the model has not been given yet.
        finish_reason: `stop` (the model ended it, or a stop string or a constraint did), `length` or `cancelled`.
        started, first, ended: seconds on the clock of `time.perf_counter`; `first` is when the first token came.
    """

    request: Request
    stream: TextStream
    limit: int
    draw: torch.Generator
    matcher: Matcher | None
    ids: list[int] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)
    scores: list[TokenScore] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    started: float = field(default_factory=time.perf_counter)
    first: float = 0.0
    ended: float = 0.0

    @classmethod
    def begin(cls, request: Request, tokenizer: PreTrainedTokenizerBase, limit: int, index: int) -> Answer:
        """Give the empty answer number `index` to a request."""
        before = request.prompt[-_BEFORE:] if request.goes_on else ()
        return cls(
            request,
            TextStream(tokenizer, request.settings.stop, before, request.shown),
            limit,
            generator(request.settings.seed, index),
            request.constraint.start(limit) if request.constraint else None,
        )

    @property
    def text(self) -> str:
        """What was written so far."""
        return "".join(self.parts)

    @property
    def waits(self) -> bool:
        """Whether the next token is to be chosen: all tokens so far were given to the model."""
        return not self.finish_reason and not self.pending

    def feed(self, count: int) -> list[int]:
        """Give the next tokens for the model."""
        given, self.pending = self.pending[:count], self.pending[count:]
        return given

    def take(self, token: int, ends: frozenset[int], logits: torch.Tensor) -> tuple[Answer, str]:
        """Add the chosen token, and those that the constraint then leaves no choice about.

        `logits` [vocabulary] are the model's own, before penalties, constraints and temperature.
        """
        self.first = self.first or time.perf_counter()
        if self.matcher and not self.matcher.allows(token, self.limit - len(self.ids) - 1):
            self.parts.append(self._add_all(self.matcher.way, ends) + self.stream.finish())
            self.finish("length")
            return self, self.parts[-1]
        if self.request.logprobs is not None:
            self.scores.append(_score(token, logits, self.request.logprobs))
        new = self._add(token, ends)
        if self.matcher and self.request.logprobs is None:
            new += self._add_all(self.matcher.forced(), ends)
        self.parts.append(new)
        return self, new

    def _add_all(self, tokens: list[int], ends: frozenset[int]) -> str:
        return "".join("" if self.finish_reason else self._add(token, ends) for token in tokens)

    def _add(self, token: int, ends: frozenset[int]) -> str:
        self.ids.append(token)
        self.pending.append(token)
        new = "" if token in ends else self.stream.push(token)
        if self.matcher and token not in ends:
            self.matcher.consume(token)
        complete = token in ends or self.stream.stopped or bool(self.matcher and self.matcher.complete)
        cancelled, full = self.request.cancel.is_set(), len(self.ids) >= self.limit
        if complete or cancelled or full:
            new += self.stream.finish()
            self.finish("stop" if complete or self.stream.stopped else "cancelled" if cancelled else "length")
        return new

    def fill(self, tokens: list[int], ends: frozenset[int], logits: Sequence[torch.Tensor] | None) -> None:
        """Take an answer that was found as a whole, padding at its end included; `logits` as in `take`, of each."""
        self.first = time.perf_counter()
        for at, token in enumerate(tokens):
            if not self.finish_reason:
                if logits and self.request.logprobs is not None:
                    self.scores.append(_score(token, logits[at].float(), self.request.logprobs))
                self.parts.append(self._add(token, ends))
        if not self.finish_reason:
            self.finish("cancelled")

    def finish(self, reason: str) -> None:
        """Note why the answer ended."""
        self.finish_reason, self.ended = reason, time.perf_counter()


def _score(token: int, logits: torch.Tensor, count: int) -> TokenScore:
    chances = logits.log_softmax(-1)
    best = chances.topk(count) if count else None
    top = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True)) if best else ()
    return TokenScore(token, float(chances[token]), top)
