"""One decoding step over the rows of a fixed cache, and the steps of different sizes that are kept."""

from __future__ import annotations

import inspect
import math
from collections import OrderedDict
from collections.abc import Sequence
from itertools import chain, islice
from typing import Any

import torch

from llmkit.models.batch_sizes import BATCH_TOKENS, DeviceMemory
from llmkit.models.generation.captured_pass import CapturedPass, Recorder
from llmkit.models.kv_cache.layers import KeyValues, can_crop_cache, key_values_of, logits_to_keep
from llmkit.models.kv_cache.row_cache import RowCache
from llmkit.models.library_errors import is_out_of_memory
from llmkit.models.loaded_model import LoadedModel

ROWS = (1, 4, 16, 64, 256)
"""How many rows a step may have: few sizes, because each is captured as a CUDA graph of its own."""

FIRST_SLOTS = 512
"""The tokens that the rows of the smallest step may have; those of others are twice, four times … as many."""

_ALIGNED_SLOTS = 64  # kernels take masks whose rows are multiples of so many numbers apart

_TRIED_LENGTHS = (2, 3, 4, 5, 6, 7, 8)  # of the prompts on which rows are tried

_MAX_DIFFERENCE = 0.1
"""The most that rounding may change logits, as a share of their spread; it is 0.03 in the default model, and 0.3 with
positions that are one too high."""

_MAX_DIFFERENCE_EXACT = 1e-3  # in float32 and float64

_MEMORY_SHARE = 0.25  # of the free memory, for the cache of one step; all together may have twice as much


class RowStep:
    """Computes the logits behind one more token of each row.

    Args:
        loaded: the model.
        like: keys and values of the model's layers, of any size.
        rows, slots: how many sequences, and how many tokens each may have.
        recorder: records the step on CUDA.
    """

    def __init__(self, loaded: LoadedModel, like: KeyValues, rows: int, slots: int, recorder: Recorder) -> None:
        self.size = (rows, slots)
        self._loaded, device = loaded, loaded.device
        self._inputs = torch.zeros(2, rows, dtype=torch.long, device=device)  # tokens and positions
        self._columns = torch.arange(slots, device=device)
        self.cache = RowCache(like, rows, slots, self._inputs[1])
        self._keep: dict[str, Any] = logits_to_keep(loaded.model, 1)
        self._pass = CapturedPass(loaded, self._forward, recorder)

    def logits(self, tokens: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        """Compute logits `[rows, vocabulary]` behind a token of each row, at its position, in 32 bits or more.

        A row that takes no part is given any token, and the position behind its last token. The result is valid until
        the next step.
        """
        with self._loaded.forward_pass():
            self._inputs.copy_(torch.tensor([tokens, positions]))
            return self._pass()

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
    """Return whether the logits of a step over rows are those of the model; tried on rows of different lengths.

    The model must take positions and a mask of four dimensions, and keep the keys and values of all tokens.
    """
    model = loaded.model
    is_on_one_device = len({weight.device for weight in model.parameters()}) == 1
    takes_positions = "position_ids" in inspect.signature(model.forward).parameters
    if not (is_on_one_device and takes_positions and can_crop_cache(model)):
        return False
    try:
        difference = _difference(loaded)
    except (TypeError, ValueError, RuntimeError, IndexError) as error:  # NotImplementedError is a RuntimeError
        if is_out_of_memory(error):
            raise
        return False
    exact = model.dtype in (torch.float32, torch.float64)
    return difference < (_MAX_DIFFERENCE_EXACT if exact else _MAX_DIFFERENCE)


def _difference(loaded: LoadedModel) -> float:
    """Return how far the logits behind prompts of different lengths differ, as a share of their spread: the median.

    In bfloat16, rare tokens behind each other let rounding change everything for single prompts.
    """
    tokens = iter(torch.linspace(0, loaded.model.config.get_text_config().vocab_size - 1, sum(_TRIED_LENGTHS)).tolist())
    prompts = [[int(token) for token in islice(tokens, length)] for length in _TRIED_LENGTHS]
    expected, step = [], None
    recorder = Recorder(torch.device("cpu"))  # records nothing
    with loaded.forward_pass():
        for index, prompt in enumerate(prompts):
            out = loaded.forward(torch.tensor([prompt], device=loaded.device), use_cache=True)
            expected.append(out.logits[0, -1].float())
            begun = [(keys[:, :, :-1], values[:, :, :-1]) for keys, values in key_values_of(out.cache) or []]
            if not begun:
                return math.inf
            step = step or RowStep(loaded, begun, len(prompts) + 1, 2 * max(_TRIED_LENGTHS), recorder)
            step.cache.put([index], begun, [0])
        assert step is not None
        computed = step.logits([*(prompt[-1] for prompt in prompts), 0], [*(len(prompt) - 1 for prompt in prompts), 0])
    wanted = torch.stack(expected)
    return float(((wanted - computed[:-1]).std(-1) / wanted.std(-1)).median())


class RowSteps:
    """The steps of a model, by their size; those that were unused for longest are dropped when memory is short."""

    def __init__(self, loaded: LoadedModel, memory: DeviceMemory | None) -> None:
        self._loaded, self._memory = loaded, memory
        self._recorder = Recorder(loaded.device)
        self.most_rows = ROWS[-1]
        self._like: KeyValues = []
        self._steps: OrderedDict[tuple[int, int], RowStep] = OrderedDict()  # the least recently used first

    @property
    def nbytes(self) -> int:
        """The memory of the keys and values of all steps, in bytes."""
        return sum(step.cache.nbytes for step in list(self._steps.values()))

    def clear(self) -> None:
        """Drop all steps."""
        self._steps.clear()

    def slots_for(self, tokens: int) -> int:
        """Return the smallest number of slots that hold so many tokens."""
        slots = FIRST_SLOTS
        while slots < tokens:
            slots *= 2
        window = -(-self._loaded.window // _ALIGNED_SLOTS) * _ALIGNED_SLOTS
        return min(slots, window)

    def max_rows(self, tokens: int, all_tokens: int) -> int:
        """Return the most rows of a step whose rows may have so many tokens, and all together `all_tokens`."""
        most = all_tokens // self.slots_for(tokens)
        return max(rows for rows in ROWS if rows == 1 or rows <= most)

    def learn_shape(self, like: KeyValues) -> None:
        """Note the shape of the model's keys and values; drop all steps if their device or data type is another."""
        known, new = (layers[0][0] if layers else None for layers in (self._like, like))
        if known is not None and new is not None and (known.device, known.dtype) != (new.device, new.dtype):
            self._steps.clear()
            self._like, self._recorder = [], Recorder(new.device)
        self._like = self._like or [(keys[:1, :, :1].clone(), values[:1, :, :1].clone()) for keys, values in like]

    def size_for(self, rows: int, tokens: int) -> tuple[int, int]:
        """Return the rows and slots of the smallest step with so many rows, and so many tokens in each."""
        return next((size for size in ROWS if size >= rows), ROWS[-1]), self.slots_for(tokens)

    def has(self, size: tuple[int, int]) -> bool:
        """Return whether a step of this size is kept."""
        return size in self._steps

    def find(self, size: tuple[int, int]) -> RowStep:
        """Return the step of this size, which is made if it is not kept."""
        if size not in self._steps:
            most = 2 * self.max_tokens()
            # The one that was used last stays: its rows may be moved.
            while len(self._steps) > 1 and math.prod(size) + sum(map(math.prod, self._steps)) > most:
                self._steps.popitem(last=False)
            self._steps[size] = RowStep(self._loaded, self._like, *size, self._recorder)
        self._steps.move_to_end(size)
        return self._steps[size]

    @property
    def is_bounded(self) -> bool:
        """Whether `max_tokens` can be told: not before it is known how much memory keys and values take."""
        return self._memory is None or bool(self._like)

    def max_tokens(self) -> int:
        """Return how many tokens one step may hold."""
        if self._memory is None:
            return BATCH_TOKENS
        per_token = sum(tensor.nbytes for tensor in chain.from_iterable(self._like))
        return int(_MEMORY_SHARE * (self._memory.free() + self.nbytes) / per_token)
