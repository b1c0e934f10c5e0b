"""One decoding step over the rows of a fixed cache, and the steps of different sizes that are kept."""

from __future__ import annotations

import inspect
import math
from collections import OrderedDict
from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch

from llmkit.models.batch_sizes import BATCH_TOKENS, DeviceMemory
from llmkit.models.kv_cache.layers import KeyValues, can_crop_cache, key_values_of, logits_to_keep
from llmkit.models.kv_cache.row_cache import RowCache
from llmkit.models.loaded_model import LoadedModel

ROWS = (1, 4, 16, 64, 256)
"""How many rows a step may have: few sizes, because each is captured as a CUDA graph of its own."""

FIRST_SLOTS = 512
"""The tokens that the rows of the smallest step may have; those of others are twice, four times … as many."""

_MAX_DIFFERENCE = 0.05
"""The most that rounding may change logits, as a share of their spread."""

_MAX_DIFFERENCE_EXACT = 1e-3  # in float32 and float64

_MEMORY_SHARE = 0.5  # of the free memory, for the caches of all steps


class RowStep:
    """Computes the logits behind one more token of each row.

    Args:
        loaded: the model.
        like: keys and values of the model's layers, of any size.
        rows, slots: how many sequences, and how many tokens each may have.
    """

    def __init__(self, loaded: LoadedModel, like: KeyValues, rows: int, slots: int) -> None:
        self.rows, self.slots = rows, slots
        self._loaded, device = loaded, loaded.device
        self._host = torch.zeros(2, rows, dtype=torch.long, pin_memory=device.type == "cuda")
        self._inputs = torch.zeros(2, rows, dtype=torch.long, device=device)  # tokens and positions
        self._columns = torch.arange(slots, device=device)
        self.cache = RowCache(like, rows, slots, self._inputs[1])
        self._keep: dict[str, Any] = logits_to_keep(loaded.model, 1)

    def logits(self, tokens: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        """Compute logits `[rows, vocabulary]` behind a token of each row, at its position, in 32 bits or more.

        A row that takes no part is given any token, and the position behind its last token.
        """
        self._host.copy_(torch.tensor([tokens, positions]))
        with self._loaded.lock:
            self._inputs.copy_(self._host, non_blocking=True)
            return self._forward()

    def _forward(self) -> torch.Tensor:
        tokens, positions = self._inputs[:, :, None]
        dtype = self._loaded.model.dtype
        hidden = self._columns > positions
        mask = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
        mask.masked_fill_(hidden, torch.finfo(dtype).min)
        out = self._loaded.forward(
            tokens,
            attention_mask=mask[:, None, None],
            position_ids=positions,
            cache=self.cache,
            use_cache=True,
            **self._keep,
        )
        logits: torch.Tensor = out.logits[:, -1].float()
        return logits


def can_use_rows(loaded: LoadedModel) -> bool:
    """Return whether the logits of a step over rows are those of the model; tried on rows of two lengths.

    The model must take positions and a mask of four dimensions, and keep the keys and values of all tokens.
    """
    model = loaded.model
    devices = {weight.device for weight in model.parameters()}
    if not can_crop_cache(model) or "position_ids" not in inspect.signature(model.forward).parameters:
        return False
    if len(devices) > 1:
        return False
    try:
        difference = _difference(loaded, [[3, 5, 7, 4, 6], [8, 9, 3]])
    except (TypeError, ValueError, RuntimeError, NotImplementedError):
        return False
    exact = model.dtype in (torch.float32, torch.float64)
    return difference < (_MAX_DIFFERENCE_EXACT if exact else _MAX_DIFFERENCE)


@torch.inference_mode()
def _difference(loaded: LoadedModel, prompts: Sequence[Sequence[int]]) -> float:
    """Return how far the logits behind prompts differ, as a share of their spread."""
    expected, step = [], None
    with loaded.lock:
        for index, prompt in enumerate(prompts):
            tokens = torch.tensor([list(prompt)], device=loaded.device)
            expected.append(loaded.forward(tokens, use_cache=True).logits[0, -1].float())
            begun = key_values_of(loaded.forward(tokens[:, :-1], use_cache=True).cache)
            if begun is None:
                return math.inf
            step = step or RowStep(loaded, begun, len(prompts) + 1, 2 * len(prompt))
            step.cache.put([index], begun, [0])
        assert step is not None
        computed = step.logits([*(prompt[-1] for prompt in prompts), 0], [*(len(prompt) - 1 for prompt in prompts), 0])
    wanted = torch.stack(expected)
    return float((wanted - computed[:-1]).std() / wanted.std())


class RowSteps:
    """The steps of a model, by their size; those that were unused for longest are dropped when memory is short."""

    def __init__(self, loaded: LoadedModel, memory: DeviceMemory | None) -> None:
        self._loaded, self._memory = loaded, memory
        self.most_rows = ROWS[-1]
        self._like: KeyValues = []
        self._steps: OrderedDict[tuple[int, int], RowStep] = OrderedDict()  # the least recently used first

    def clear(self) -> None:
        """Drop all steps."""
        self._steps.clear()

    def slots_for(self, tokens: int) -> int:
        """Return the smallest number of slots that hold so many tokens."""
        slots = FIRST_SLOTS
        while slots < tokens:
            slots *= 2
        return max(min(slots, self._loaded.window), tokens)

    def max_rows(self, tokens: int, all_tokens: int) -> int:
        """Return the most rows of a step whose rows may have so many tokens, and all together `all_tokens`."""
        most = all_tokens // self.slots_for(tokens)
        return max(rows for rows in ROWS if rows == 1 or rows <= most)

    def learn_shape(self, like: KeyValues) -> None:
        """Note the shape of the model's keys and values."""
        self._like = self._like or [(keys[:1, :, :1].clone(), values[:1, :, :1].clone()) for keys, values in like]

    def find(self, rows: int, tokens: int) -> RowStep:
        """Return the smallest step with so many rows, or the largest one, and so many tokens in each."""
        size = (next((size for size in ROWS if size >= rows), ROWS[-1]), self.slots_for(tokens))
        if size not in self._steps:
            self._make_space(size[0] * size[1])
            self._steps[size] = RowStep(self._loaded, self._like, *size)
        self._steps.move_to_end(size)
        return self._steps[size]

    def _make_space(self, tokens: int) -> None:
        """Drop steps for a new one, but not the one that was used last: its rows may be moved."""
        most = self.max_tokens()
        while len(self._steps) > 1 and tokens + sum(rows * slots for rows, slots in self._steps) > most:
            self._steps.popitem(last=False)

    def max_tokens(self) -> int:
        """Return how many tokens all steps may hold together; few until the shape of keys and values is known."""
        if self._memory is None:
            return BATCH_TOKENS
        if not self._like:
            return 1
        per_token = sum(tensor.nbytes for tensor in chain.from_iterable(self._like))
        kept = sum(step.cache.nbytes for step in self._steps.values())
        return int((_MEMORY_SHARE * self._memory.free() + kept) / per_token)
