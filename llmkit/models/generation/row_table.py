"""The rows that are decoded now, and the step that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch

from llmkit.models.batch_sizes import DeviceMemory
from llmkit.models.generation.row import Row
from llmkit.models.generation.row_prefill import Prefilled
from llmkit.models.generation.row_step import RowStep, RowSteps
from llmkit.models.loaded_model import LoadedModel

_OVERSIZED_STEPS = 256
"""How many steps are computed with more rows or slots than needed, before a smaller step is made."""


class Next(NamedTuple):
    """A token of a row that is computed, where, and at which index of the logits its result is."""

    position: int
    token: int
    row_index: int


class RowTable:
    """Rows, each at an index of the current step; iterates over them.

    Args:
        loaded: the model.
        memory: the device's, which bounds the rows.

    Attributes:
        steps: the steps that are kept.
        looks_ahead: whether `look_ahead` computes anything: by default on CUDA, which computes beside Python.
    """

    def __init__(self, loaded: LoadedModel, memory: DeviceMemory | None) -> None:
        self.steps = RowSteps(loaded, memory)
        self._rows: list[Row] = []
        self._step: RowStep | None = None
        self._oversized_steps = 0
        self.looks_ahead = loaded.device.type == "cuda"
        self._ahead: dict[Row, Next] = {}
        self._logits_ahead: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def keep(self, rows: Sequence[Row]) -> None:
        """Keep these rows and give up the others."""
        self._rows = list(rows)

    def clear(self) -> None:
        """Give up all rows, and the memory of all steps."""
        self._rows, self._step, self._ahead = [], None, {}
        self.steps.clear()

    def place(self, new: Sequence[Row], like: Prefilled) -> None:
        """Give new rows an index, in a step that holds all of them; `like` has the shape of keys and values."""
        self.steps.learn_shape(like.key_values)
        self._fit(new)

    def put(self, rows: Sequence[Row], prefilled: Prefilled, sources: Sequence[int]) -> None:
        """Begin rows that have an index with keys and values of prompts, of which `sources` are those of each row."""
        assert self._step is not None
        self._step.cache.put([row.index for row in rows], prefilled.key_values, sources)
        for row in rows:  # of one that had made way, what was computed ahead is no longer in the cache
            self._ahead.pop(row, None)
        self._rows.extend(rows)

    def logits(self, rows: Sequence[Row]) -> tuple[dict[Row, int], torch.Tensor]:
        """Compute the next token of rows, or only of those of which that is done; return their indices, and logits."""
        ahead, logits, self._ahead = self._ahead, self._logits_ahead, {}
        if ahead and logits is not None:
            asked = {row: ahead[row] for row in rows if row in ahead}
            done = {row: at.row_index for row, at in asked.items() if at[:2] == (row.length, row.next_token)}
            if done:
                return done, logits
        self._fit([])
        assert self._step is not None
        return {row: row.index for row in rows}, self._compute({row: (row.length, row.next_token) for row in rows})

    def look_ahead(self, tokens: Mapping[Row, tuple[int, int]]) -> None:
        """Begin to compute a token of rows, at its position, before the completion has it.

        The text of tokens is made while a GPU computes. What is not asked for afterwards, because a completion has
        ended or has another token, is computed again when its row is used.
        """
        fits = self._step is not None and all(position < self._step.size[1] for position, _ in tokens.values())
        if not self.looks_ahead or self._ahead or not tokens or not fits:
            return
        try:
            self._logits_ahead = self._compute(tokens)
        except (RuntimeError, MemoryError):
            return  # the step itself will tell
        self._ahead = {row: Next(*token, row.index) for row, token in tokens.items()}

    def _compute(self, tokens: Mapping[Row, tuple[int, int]]) -> torch.Tensor:
        """Compute a token of each of these rows at its position; return logits of all rows of the step."""
        assert self._step is not None
        rows, slots = self._step.size
        all_tokens, positions = [0] * rows, [0] * rows
        for row in self._rows:
            positions[row.index] = min(row.total, slots - 1)  # of those that take no part, a slot that is still free
        for row, (position, token) in tokens.items():
            all_tokens[row.index], positions[row.index] = token, position
        return self._step.logits(all_tokens, positions)

    def _fit(self, new: Sequence[Row]) -> None:
        rows = [*self._rows, *new]
        step = self._find_step(len(rows), max(row.total for row in rows))
        if step is self._step:
            used = {row.index for row in self._rows}
            free = (index for index in range(step.size[0]) if index not in used)
            for row in new:
                row.index = next(free)
            return
        if self._rows and self._step is not None:
            sources = [row.index for row in self._rows]
            step.cache.put(range(len(sources)), self._step.cache.key_values, sources)
        self._step = step
        for index, row in enumerate(rows):
            row.index = index

    def _find_step(self, rows: int, tokens: int) -> RowStep:
        """Return the smallest step for so many rows and tokens, or for a while the current one, if it is larger.

        Making a step takes as long as hundreds of larger ones, and the last rows of a batch are soon done.
        """
        size, current = self.steps.size_for(rows, tokens), self._step
        is_dropped = current is None or not self.steps.has(current.size)  # of a model that was moved
        if not self._rows or current is None or is_dropped or current.size == size:
            self._oversized_steps = 0
            return self.steps.find(size)
        is_large_enough = current.size[0] >= size[0] and current.size[1] >= size[1]
        self._oversized_steps += 1
        if is_large_enough and self._oversized_steps < _OVERSIZED_STEPS and not self.steps.has(size):
            return current
        return self.steps.find(size)
