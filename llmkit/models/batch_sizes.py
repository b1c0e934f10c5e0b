"""How many tokens are computed at a time, by the free memory of a device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch

from llmkit.models.loaded_model import LoadedModel

BATCH_TOKENS = 8192
"""The most tokens of a batch where memory is no measure, as on a CPU: larger ones are slower there, as they wait longer
for their longest completion. Counted are prompts with their padding, and the limits of the completions."""

_MEMORY_SHARE = 0.5  # of the free memory: other programs and calls take some too
_FIRST_ESTIMATE = 4  # times the largest keys and values, until a batch is measured: activations and copies beside them


class DeviceMemory(Protocol):
    """The memory of a device, in bytes."""

    def free(self) -> int:
        """Return what new tensors can take."""

    def start_measuring(self) -> int:
        """Return what tensors take now, from which on the peak is measured."""

    def peak(self) -> int:
        """Return the most that tensors took since then."""


class CudaMemory:
    """The memory of an NVIDIA or AMD GPU, as PyTorch's allocator sees it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def free(self) -> int:
        """Return what the driver has, and what the allocator keeps unused."""
        unused = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return torch.cuda.mem_get_info(self._device)[0] + unused

    def start_measuring(self) -> int:
        """Return what tensors take now, from which on the peak is measured."""
        torch.cuda.reset_peak_memory_stats(self._device)
        return torch.cuda.memory_allocated(self._device)

    def peak(self) -> int:
        """Return the most that tensors took since then."""
        return torch.cuda.max_memory_allocated(self._device)


def memory_of(device: torch.device) -> DeviceMemory | None:
    """Return the memory that bounds batches; `None` on devices where a number of tokens does."""
    return CudaMemory(device) if device.type == "cuda" else None


class BatchSizes:
    """How many tokens a batch or a pass of a model may have: what fits the free memory, by those so far.

    One that needs more memory than expected is halved (see `BatchPlan`), so an estimate may be wrong.

    Args:
        loaded: the model.
        memory: that of its device; `None` where memory is no measure.
        least: the tokens that are always allowed, and all that are where memory is no measure: by default
            `BATCH_TOKENS`.
        most: the most tokens, where more are not faster.
    """

    def __init__(
        self, loaded: LoadedModel, memory: DeviceMemory | None, least: int | None = None, most: int | None = None
    ) -> None:
        config = loaded.model.config.get_text_config()
        element = torch.empty((), dtype=loaded.model.dtype).element_size()
        layers, width = getattr(config, "num_hidden_layers", 1), getattr(config, "hidden_size", 1)
        self._memory, self._given_least, self._most = memory, least, most
        self._bytes_per_token = float(_FIRST_ESTIMATE * 2 * layers * width * element)
        self._is_measured = False

    @property
    def _least(self) -> int:
        return BATCH_TOKENS if self._given_least is None else self._given_least

    @property
    def max_tokens(self) -> int:
        """The most tokens of the next batch."""
        if self._memory is None:
            return self._least
        fitting = max(self._least, int(_MEMORY_SHARE * self._memory.free() / self._bytes_per_token))
        return fitting if self._most is None else min(fitting, self._most)

    @contextmanager
    def measure(self, tokens: int) -> Iterator[None]:
        """Measure the memory of a batch of so many tokens, which is computed within.

        Small batches tell nothing: their memory is that of one pass's logits and of what others compute meanwhile.
        """
        if self._memory is None or tokens < self._least // 2:
            yield
            return
        before = self._memory.start_measuring()
        yield
        measured = max(self._memory.peak() - before, 1) / tokens
        self._bytes_per_token = max(measured, self._bytes_per_token) if self._is_measured else measured
        self._is_measured = True
