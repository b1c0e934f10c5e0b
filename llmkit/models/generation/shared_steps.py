"""Steps of callers that decode at the same time, computed in one forward pass.

Decoding one token waits for memory: the weights are read for each pass, however many tokens it computes. So callers in
different threads, each with a sequence of its own, put their next tokens into one pass, as servers do (iteration-level
scheduling of Orca, Yu et al. 2022).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

_PATIENCE = 0.25
"""How long a pass waits for the callers of the pass before it, as a share of the time that this one took: less than it
costs to compute their tokens in a pass of their own."""


@dataclass(eq=False)
class _Step:
    token: int
    cache: Any
    logits: torch.Tensor | None = None


class SharedSteps:
    """Computes the next token's logits for many callers; threads share it.

    Whoever comes while no pass runs computes one, for all who wait. A caller alone waits for nobody.

    Args:
        forward: a forward pass with `step_logits` and `shared_rows`, such as `FastLlama`.
        lock: taken for each pass.
    """

    def __init__(self, forward: Any, lock: AbstractContextManager[Any]) -> None:
        self._forward, self._lock = forward, lock
        self._changed = threading.Condition()
        self._waiting: list[_Step] = []  # the first to come is the first to be computed
        self._is_computing = False
        self._latest_rows, self._latest_seconds = 0, 0.0

    def logits(self, token: int, cache: Any) -> torch.Tensor:
        """Return the logits behind one more token of a sequence, `[1, vocabulary]`; its cache is extended."""
        step = _Step(token, cache)
        with self._changed:
            self._waiting.append(step)
            self._changed.notify_all()
            try:
                while step.logits is None:
                    if self._is_computing:
                        self._changed.wait()
                    else:
                        self._compute_waiting()
            finally:
                if step in self._waiting:  # this caller was interrupted
                    self._waiting.remove(step)
        return step.logits

    def _compute_waiting(self) -> None:
        """Compute one pass over the steps that wait, also over those that come in a moment; called with the lock."""
        self._is_computing = True
        try:
            patience = self._latest_seconds * _PATIENCE
            self._changed.wait_for(lambda: len(self._waiting) >= self._latest_rows, patience)
            rows = self._forward.shared_rows if len(self._waiting) > 1 else 1
            steps, self._waiting = self._waiting[:rows], self._waiting[rows:]
            self._changed.release()
            try:
                self._run(steps)
            finally:
                self._changed.acquire()
                self._waiting = [*(step for step in steps if step.logits is None), *self._waiting]
        finally:
            self._is_computing = False
            self._changed.notify_all()

    def _run(self, steps: Sequence[_Step]) -> None:
        """Compute a pass; if it fails, only the caller that computes it fails, and the caches are as before."""
        lengths = [step.cache.get_seq_length() for step in steps]
        started = time.perf_counter()
        try:
            with self._lock, torch.inference_mode():
                rows = self._forward.step_logits([step.token for step in steps], [step.cache for step in steps])
        except BaseException:
            for step, length in zip(steps, lengths, strict=True):
                for layer in step.cache.layers:
                    layer.keys, layer.values = layer.keys[:, :, :length], layer.values[:, :, :length]
            raise
        self._latest_rows, self._latest_seconds = len(steps), time.perf_counter() - started
        for index, step in enumerate(steps):
            step.logits = rows[index : index + 1]
