"""Keys and values that grow in place.

`transformers` copies all that is there for each new token: at a window of 8,192 tokens that is 190 MB a token for the
default model. Here a buffer has room for more, and is copied only when it doubles.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

_ROOM = 256  # tokens, at least, that a new buffer has room for beyond what it begins with


class GrowingLayer(DynamicLayer):
    """A layer of a `DynamicCache` whose `keys` and `values` are views of buffers with room to grow."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._buffers: list[torch.Tensor] = []
        self._given: tuple[Any, Any] = (None, None)  # the views that were given out last

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add keys and values [rows, heads, new tokens, size]; give all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        before = self.get_seq_length()
        after = before + key_states.shape[-2]
        # Whoever cuts, repeats or selects makes new tensors of the views: the buffers hold something else then.
        same = self._given[0] is self.keys and self._given[1] is self.values
        if not same or not self._buffers or after > self._buffers[0].shape[-2]:
            self._move(key_states, before, after)
        keys, values = self._buffers
        new = after - before
        keys.narrow(2, before, new).copy_(key_states)
        values.narrow(2, before, new).copy_(value_states)
        self.keys, self.values = keys.narrow(2, 0, after), values.narrow(2, 0, after)
        self._given = (self.keys, self.values)
        return self.keys, self.values

    def _move(self, like: torch.Tensor, before: int, after: int) -> None:
        """Take buffers with room, and what is known into them."""
        rows, heads, _, size = like.shape
        room = after + max(_ROOM, after // 2)
        self._buffers = [like.new_empty(rows, heads, room, size) for _ in range(2)]
        if self.keys is not None and self.values is not None and before:
            self._buffers[0][:, :, :before] = self.keys
            self._buffers[1][:, :, :before] = self.values


def growing(cache: Cache) -> Cache:
    """Let the plain layers of a cache grow in place from now on."""
    for place, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer:
            grown = GrowingLayer()
            if layer.keys is not None and layer.values is not None:
                grown.lazy_initialization(layer.keys, layer.values)
                grown.keys, grown.values = layer.keys, layer.values
            cache.layers[place] = grown
    return cache
