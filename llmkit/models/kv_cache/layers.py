"""Layers of a key-value cache: how they are read, whether they can be cut, and a layer that grows in place."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer

KeyValues = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer, `[rows, heads, tokens, head size]`."""

_FREE_TOKENS = 256  # the least free space of a new buffer


class GrowingLayer(DynamicLayer):
    """A layer of a `DynamicCache` whose `keys` and `values` are views of larger buffers.

    `DynamicLayer` copies all keys and values for each new token: at a context window of 8,192 tokens that is 190 MB a
    token for the default model. This one copies them only when a buffer is full.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._buffers: list[torch.Tensor] = []
        self._latest_views: tuple[Any, Any] = (None, None)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append keys and values `[rows, heads, new tokens, head size]`, and return all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old = self.get_seq_length()
        total = old + key_states.shape[-2]
        # Cropping, repeating and selecting rows replace the views by new tensors, which the buffers do not contain.
        unchanged = self._latest_views[0] is self.keys and self._latest_views[1] is self.values
        if not unchanged or not self._buffers or total > self._buffers[0].shape[-2]:
            self._allocate(key_states, old, total)
        keys, values = self._buffers
        keys.narrow(2, old, total - old).copy_(key_states)
        values.narrow(2, old, total - old).copy_(value_states)
        self.keys, self.values = keys.narrow(2, 0, total), values.narrow(2, 0, total)
        self._latest_views = (self.keys, self.values)
        return self.keys, self.values

    def crop(self, tokens_to_remove: int) -> None:
        """Remove the last `-tokens_to_remove` tokens; the buffers stay."""
        unchanged = self._latest_views[0] is self.keys and self._latest_views[1] is self.values
        super().crop(tokens_to_remove)
        if unchanged:
            self._latest_views = (self.keys, self.values)

    def _allocate(self, like: torch.Tensor, old: int, total: int) -> None:
        rows, heads, _, size = like.shape
        capacity = total + max(_FREE_TOKENS, total // 2)
        self._buffers = [like.new_empty(rows, heads, capacity, size) for _ in range(2)]
        if self.keys is not None and self.values is not None and old:
            self._buffers[0][:, :, :old] = self.keys
            self._buffers[1][:, :, :old] = self.values


def use_growing_layers(cache: Cache) -> Cache:
    """Replace the plain layers of a cache by growing ones, in place, and return the cache."""
    for index, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer:
            growing = GrowingLayer()
            if layer.keys is not None and layer.values is not None:
                growing.lazy_initialization(layer.keys, layer.values)
                growing.keys, growing.values = layer.keys, layer.values
            cache.layers[index] = growing
    return cache


def can_crop_cache(model: Any) -> bool:
    """Return whether the model's cache can be cut after any token and used again.

    It cannot with sliding windows (earlier keys are gone), recurrent states, or an encoder's cross-attention.
    """
    if model.config.is_encoder_decoder:
        return False
    layers = DynamicCache(config=model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def key_values_of(cache: Cache | None) -> KeyValues | None:
    """Return each layer's keys and values, or `None` if a layer does not keep those of all tokens."""
    layers = getattr(cache, "layers", [])
    # Other subclasses of DynamicLayer forget some tokens.
    if not layers or any(type(layer) not in (DynamicLayer, GrowingLayer) or layer.keys is None for layer in layers):
        return None
    return [(layer.keys, layer.values) for layer in layers]


def logits_to_keep(model: Any, positions: torch.Tensor | int) -> dict[str, Any]:
    """Return the argument, if `forward` has it, that limits logits to these positions, or to the last `positions`."""
    accepted = "logits_to_keep" in inspect.signature(model.forward).parameters
    return {"logits_to_keep": positions} if accepted else {}


def common_prefix_length(sequences: Sequence[Sequence[int]]) -> int:
    """Return how many leading tokens all sequences share, leaving out the last token of the shortest."""
    shortest = min(map(len, sequences)) - 1
    ordered = [tuple(sequence) for sequence in sequences]
    first, last = min(ordered), max(ordered)  # in lexicographic order these two differ earliest
    return next((i for i in range(shortest) if first[i] != last[i]), max(shortest, 0))
