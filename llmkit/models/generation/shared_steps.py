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
_FIRST_ROW_COST = 0.25  # until it is measured
_ROW_COSTS = (0.05, 0.95)
_LATEST_WEIGHT = 0.1  # of the latest pass in what is measured: the time of a single one may be that of other programs


@dataclass(eq=False)
class _Step:
    tokens: Sequence[int]
    cache: Any
    logits: torch.Tensor | None = None


class SharedSteps:
    """Computes the logits of next tokens for many callers; threads share it.

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
        self._latest_callers, self._latest_seconds = 0, 0.0
        self._seconds_alone = 0.0
        self.row_cost = _FIRST_ROW_COST

    @property
    def free_rows(self) -> int:
        """How many tokens more than one a caller may ask for, if as many callers ask as did for the latest pass."""
        rows: int = self._forward.shared_rows
        return max(rows // max(self._latest_callers, 1) - 1, 0)

    def logits(self, tokens: Sequence[int], cache: Any) -> torch.Tensor:
        """Return the logits behind each of the next tokens of a sequence, `[tokens, vocabulary]`.

        Its cache is extended. More than one token, at most 1 + `free_rows`, get the bits of one after the other.
        """
        step = _Step(tokens, cache)
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
            self._changed.wait_for(lambda: len(self._waiting) >= self._latest_callers, patience)
            steps = self._take_steps()
            self._changed.release()
            try:
                self._run(steps)
            finally:
                self._changed.acquire()
                self._waiting = [*(step for step in steps if step.logits is None), *self._waiting]
        finally:
            self._is_computing = False
            self._changed.notify_all()

    def _take_steps(self) -> list[_Step]:
        """Remove and return the first of the steps that wait, as many as fit a pass."""
        steps = [self._waiting.pop(0)]
        rows = len(steps[0].tokens)
        while self._waiting and (rows := rows + len(self._waiting[0].tokens)) <= self._forward.shared_rows:
            steps.append(self._waiting.pop(0))
        return steps

    def _run(self, steps: Sequence[_Step]) -> None:
        """Compute a pass; if it fails, only the caller that computes it fails, and the caches are as before."""
        lengths = [step.cache.get_seq_length() for step in steps]
        started = time.perf_counter()
        try:
            with self._lock, torch.inference_mode():
                rows = self._forward.step_logits([step.tokens for step in steps], [step.cache for step in steps])
        except BaseException:
            for step, length in zip(steps, lengths, strict=True):
                for layer in step.cache.layers:  # of which some may be extended
                    layer.crop(length - layer.get_seq_length())
            raise
        self._latest_callers, self._latest_seconds = len(steps), time.perf_counter() - started
        self._measure(len(rows))
        for step, logits in zip(steps, rows.split([len(step.tokens) for step in steps]), strict=True):
            step.logits = logits

    def _measure(self, rows: int) -> None:
        """Measure what each row after the first costs, as a share of a pass of one row."""
        if rows == 1:
            before = self._seconds_alone or self._latest_seconds
            self._seconds_alone = before + _LATEST_WEIGHT * (self._latest_seconds - before)
        elif self._seconds_alone:
            cost = (self._latest_seconds / self._seconds_alone - 1) / (rows - 1)
            self.row_cost += _LATEST_WEIGHT * (min(max(cost, _ROW_COSTS[0]), _ROW_COSTS[1]) - self.row_cost)
