"""Drafts of the next tokens, found in the sequence itself and checked by the model in one forward pass.

An answer that quotes or shortens its source repeats parts of the prompt. What followed the latest occurrence of the
last tokens is a draft of the next ones (prompt lookup decoding, Saxena 2023). One pass computes the latest token and
the drafts behind it, which takes little longer where a pass waits for memory (speculative decoding, Leviathan et al.
2023). A draft counts only if the decode loop chooses the same token, from logits of the same bits. So drafts change no
completion, whether it is sampled, penalized or constrained.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import torch

from llmkit.models.generation.shared_steps import SharedSteps

_MATCHED_TOKENS = (3, 2)  # the more tokens agree, the likelier is the draft
_MAX_DRAFTS = 8
_FIRST_RATE = 0.5  # of drafts that were right, until some were tried
_LATEST_WEIGHT = 0.15  # of the latest draft in that rate
_RATES = (0.02, 0.95)
_TRIAL_EVERY = 8  # passes, where drafts do not pay: the text may begin to repeat its source


class PromptLookup:
    """Finds what followed the latest occurrence of a sequence's last tokens in the sequence itself."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._ends: dict[tuple[int, ...], int] = {}  # of the latest occurrence that something follows

    def extend(self, tokens: Sequence[int]) -> None:
        """Set the sequence to one that begins with the sequence so far."""
        for end in range(len(self._tokens), len(tokens)):
            for size in _MATCHED_TOKENS:
                if end >= size:
                    self._ends[tuple(tokens[end - size : end])] = end
        self._tokens.extend(tokens[len(self._tokens) :])

    def find(self, count: int) -> list[int]:
        """Return up to `count` tokens that may come next; none if the last tokens are new."""
        for size in _MATCHED_TOKENS:
            end = self._ends.get(tuple(self._tokens[-size:]))
            if end is not None:
                return self._tokens[end : end + count]
        return []


class DraftedSteps:
    """Computes logits of one sequence, token by token, some of them ahead where `steps` has free rows."""

    def __init__(self, steps: SharedSteps) -> None:
        self._steps = steps
        self._lookup = PromptLookup()
        self._ahead: deque[tuple[int, torch.Tensor]] = deque()  # drafts that are in the cache, and logits behind them
        self._rate, self._passes = _FIRST_RATE, 0

    def logits(self, tokens: Sequence[int], cache: Any, most_drafts: int = _MAX_DRAFTS) -> torch.Tensor:
        """Return the logits behind the last token of the sequence `tokens`, `[1, vocabulary]`.

        The cache, of all tokens before it, is extended by it, and by at most so many drafts; see `remove_drafts`.
        """
        if self._ahead:
            draft, logits = self._ahead[0]
            is_right = draft == tokens[-1]
            self._rate += _LATEST_WEIGHT * (is_right - self._rate)
            if is_right:
                self._ahead.popleft()
                return logits
            self.remove_drafts(cache)
        self._passes += 1
        self._lookup.extend(tokens)
        drafts = self._lookup.find(self._count())
        if drafts:
            drafts = drafts[: min(self._steps.free_rows, most_drafts)]
        rows = self._steps.logits([tokens[-1], *drafts], cache)
        self._ahead.extend(zip(drafts, rows[1:, None], strict=True))
        return rows[:1]

    def remove_drafts(self, cache: Any) -> None:
        """Remove from the cache what was computed ahead."""
        if self._ahead:
            cache.crop(-len(self._ahead))
            self._ahead.clear()

    def _count(self) -> int:
        """Return how many drafts pay: draft number n is used with the rate's nth power, and costs a row of a pass."""
        rate, cost = min(max(self._rate, _RATES[0]), _RATES[1]), self._steps.row_cost
        count = int(math.log(cost) / math.log(rate)) or (self._passes % _TRIAL_EVERY == 0)
        return min(count, _MAX_DRAFTS)
