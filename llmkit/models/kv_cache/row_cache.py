"""A key-value cache of fixed size, in which every row has its own length.

Rows need no padding, may be of different lengths and may be replaced, and no tensor moves: a step over them always
reads and writes the same addresses, which a CUDA graph needs. The `StaticCache` of transformers has one length for all
of its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from llmkit.models.kv_cache.layers import KeyValues


class RowLayer(CacheLayerMixin):
    """Keys and values `[rows, heads, slots, head size]` of one layer.

    Args:
        like: keys and values of the same layer, with any number of rows and tokens.
        rows, slots: how many sequences, and how many tokens each may have.
        positions: `[rows]`, the slot of each row's next token; whoever computes a step writes it.
    """

    is_sliding = False

    def __init__(self, like: tuple[torch.Tensor, torch.Tensor], rows: int, slots: int, positions: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        keys, values = (tensor.new_zeros(rows, tensor.shape[1], slots, tensor.shape[3]) for tensor in like)
        self.keys, self.values = self.tensors = keys, values
        self._rows, self._positions = torch.arange(rows, device=positions.device), positions
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Do nothing: the tensors exist from the start."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write keys and values `[rows, heads, 1, head size]` into each row's next slot, and return all slots."""
        keys, values = self.tensors
        keys[self._rows, :, self._positions] = key_states[:, :, 0]
        values[self._rows, :, self._positions] = value_states[:, :, 0]
        return self.tensors

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return how many slots a mask covers, and from which on."""
        return self.get_max_length(), 0

    def get_seq_length(self) -> int:
        """Return 0: rows differ in length, so a step's positions and mask are given to the model."""
        return 0

    def get_max_length(self) -> int:
        """Return how many tokens a row may have."""
        return self.tensors[0].shape[2]


class RowCache(Cache):
    """A cache of such layers, with their `key_values`; its arguments are those of all of its layers."""

    def __init__(self, like: KeyValues, rows: int, slots: int, positions: torch.Tensor) -> None:
        layers = [RowLayer(layer, rows, slots, positions) for layer in like]
        super().__init__(layers=[*layers])
        self.key_values: KeyValues = [layer.tensors for layer in layers]

    @property
    def nbytes(self) -> int:
        """The memory of keys and values, in bytes."""
        return sum(keys.nbytes + values.nbytes for keys, values in self.key_values)

    def put(self, rows: Sequence[int], key_values: KeyValues, sources: Sequence[int]) -> None:
        """Begin rows with keys and values of sequences, of which `sources` are those of each row."""
        first = key_values[0][0]
        target = torch.tensor(rows, device=self.key_values[0][0].device)
        source = torch.tensor(sources, device=first.device)
        tokens = min(first.shape[2], self.key_values[0][0].shape[2])
        for own, new in zip(chain(*self.key_values), chain(*key_values), strict=True):
            own[target, :, :tokens] = new[source, :, :tokens].to(own)  # the model may have been moved
            own[target, :, tokens:] = 0  # a value that is not a number would count in spite of the mask
