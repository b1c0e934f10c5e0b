"""A request for a completion, and the completion while it is generated."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from llmkit.models.constraints.grammar import Constraint, Matcher
from llmkit.models.generation.sampling import make_rng
from llmkit.models.generation.settings import GenerationSettings
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.tokens.detokenizer import Detokenizer

_CONTEXT_TOKENS = 4  # tokens at the end of a prompt that the text of the first new token may depend on


@dataclass(frozen=True)
class GenerationRequest:
    """One prompt, as token ids, and how to complete it.

    Attributes:
        logprobs: how many of the likeliest tokens to report at each position; `None` reports no log-probabilities.
        logprob_token_ids: tokens to report at each position beside these.
        cancel: set it, from any thread, to stop after the current token.
        continues_prompt: whether the completion continues the prompt's text, so that its first space counts.
        visible_tokens: special tokens that the completion's text shows, such as one that begins a tool call.
    """

    prompt: tuple[int, ...]
    settings: GenerationSettings
    constraint: Constraint | None = None
    logprobs: int | None = None
    logprob_token_ids: tuple[int, ...] = ()
    cancel: threading.Event = field(default_factory=threading.Event, compare=False)
    continues_prompt: bool = False
    visible_tokens: frozenset[int] = frozenset()


@dataclass(frozen=True)
class TokenLogprob:
    """A chosen token, its log-probability in nats, the likeliest tokens at its position, and those asked for by id."""

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()
    asked: tuple[tuple[int, float], ...] = ()

    @classmethod
    def of(cls, token: int, logprobs: torch.Tensor, count: int, asked: Sequence[int] = ()) -> TokenLogprob:
        """Return a token with the `count` likeliest ones and those asked for, by log-probabilities `[vocabulary]`."""
        best = logprobs.topk(count) if count else None
        top = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True)) if best else ()
        values = logprobs[list(asked)].tolist() if asked else ()
        return cls(token, float(logprobs[token]), top, tuple(zip(asked, values, strict=True)))


@dataclass(eq=False)
class Completion:
    """A completion while it is generated.

    Attributes:
        index: which of the completions of its request it is.
        token_ids: its tokens, with the one that ended it.
        pending: its last tokens, which the model has not computed yet.
        logprobs: of each token that the model chose, if the request asks for them.
        finish_reason: `stop` (by an end token, a stop string or the constraint), `length` or `cancelled`.
        deadline, started_at, first_token_at, finished_at: seconds on the clock of `time.perf_counter`.
    """

    request: GenerationRequest
    detokenizer: Detokenizer
    max_new_tokens: int
    rng: random.Random
    matcher: Matcher | None
    index: int = 0
    token_ids: list[int] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    deadline: float = float("inf")
    started_at: float = field(default_factory=time.perf_counter)
    first_token_at: float = 0.0
    finished_at: float = 0.0

    @classmethod
    def from_request(
        cls, request: GenerationRequest, loaded: LoadedModel, max_new_tokens: int, index: int
    ) -> Completion:
        """Create the empty completion number `index` of a request.

        `stop_strings` and `max_time` of the model's own generation config hold too; a constraint ends by itself.
        """
        context = request.prompt[-_CONTEXT_TOKENS:] if request.continues_prompt else ()
        stops = request.settings.stop if request.constraint else (*request.settings.stop, *loaded.stop_strings)
        max_time = getattr(loaded.model.generation_config, "max_time", None)
        return cls(
            request,
            Detokenizer(loaded.tokenizer, stops, context, request.visible_tokens),
            max_new_tokens,
            make_rng(request.settings.seed, index),
            request.constraint.start(max_new_tokens) if request.constraint else None,
            index,
            deadline=float("inf") if request.constraint or not max_time else time.perf_counter() + max_time,
        )

    @property
    def text(self) -> str:
        """The text so far, without the stop string."""
        return "".join(self.pieces)

    @property
    def needs_token(self) -> bool:
        """Whether the next token can be chosen: the model has computed all tokens so far."""
        return not self.finish_reason and not self.pending

    def start(self) -> None:
        """Start its clock: until now, it waited for its turn."""
        waited = time.perf_counter() - self.started_at
        self.started_at += waited
        self.deadline += waited

    def cancel(self) -> None:
        """Finish it as cancelled, before its first token."""
        self.first_token_at = time.perf_counter()
        self._finish("cancelled")

    def take_pending(self, count: int) -> list[int]:
        """Remove and return the next tokens for the model."""
        taken, self.pending = self.pending[:count], self.pending[count:]
        return taken

    def append(self, token: int, eos_token_ids: frozenset[int], logits: torch.Tensor) -> tuple[Completion, str]:
        """Append the chosen token, and those that the constraint then forces; return the completion and its new text.

        `logits` `[vocabulary]` are the model's, before penalties, constraints and temperature.
        """
        self.first_token_at = self.first_token_at or time.perf_counter()
        if self.matcher and not self.matcher.allows(token, self.max_new_tokens - len(self.token_ids) - 1):
            text = self._add_all(self.matcher.shortest_end or [], eos_token_ids) + self.detokenizer.finish()
            self._finish("length")
        else:
            self._add_logprob(token, logits)
            text = self._add(token, eos_token_ids)
            if self.matcher and self.request.logprobs is None:
                text += self._add_all(self.matcher.forced_tokens(), eos_token_ids)
        self.pieces.append(text)
        return self, text

    def append_all(self, tokens: list[int], eos_token_ids: frozenset[int], logits: Sequence[torch.Tensor]) -> None:
        """Append all tokens of a beam, up to the one that ends it; `logits` are as in `append`, one for each token."""
        self.first_token_at = time.perf_counter()
        for index, token in enumerate(tokens):
            if not self.finish_reason:
                if logits:
                    self._add_logprob(token, logits[index].float())
                self.pieces.append(self._add(token, eos_token_ids))
        if not self.finish_reason:
            self._finish("cancelled")

    def _add_all(self, tokens: list[int], eos_token_ids: frozenset[int]) -> str:
        return "".join("" if self.finish_reason else self._add(token, eos_token_ids) for token in tokens)

    def _add(self, token: int, eos_token_ids: frozenset[int]) -> str:
        is_eos = token in eos_token_ids
        self.token_ids.append(token)
        self.pending.append(token)
        text = "" if is_eos else self.detokenizer.push(token)
        if self.matcher and not is_eos:
            self.matcher.consume(token)
        complete = is_eos or self.detokenizer.stopped or bool(self.matcher and self.matcher.complete)
        cancelled, full = self.request.cancel.is_set(), len(self.token_ids) >= self.max_new_tokens
        full = full or time.perf_counter() > self.deadline
        if complete or cancelled or full:
            text += self.detokenizer.finish()
            self._finish("stop" if complete or self.detokenizer.stopped else "cancelled" if cancelled else "length")
        return text

    def _add_logprob(self, token: int, logits: torch.Tensor) -> None:
        count = self.request.logprobs
        if count is None:
            return
        asked = self.request.logprob_token_ids
        self.logprobs.append(TokenLogprob.of(token, logits.log_softmax(-1), count, asked))

    def _finish(self, reason: str) -> None:
        self.finish_reason, self.finished_at = reason, time.perf_counter()
