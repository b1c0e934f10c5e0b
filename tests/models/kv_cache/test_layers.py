"""A growing cache has the same contents as a cache of transformers after any operations."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache, LlamaConfig

from llmkit.models.kv_cache.layers import GrowingLayer, use_growing_layers

CONFIG = LlamaConfig(num_hidden_layers=2)
OPERATIONS = st.one_of(
    st.tuples(st.just("add"), st.integers(1, 300)),
    st.tuples(st.just("crop"), st.integers(1, 40)),
    st.tuples(st.just("repeat"), st.integers(1, 2)),
    st.tuples(st.just("select"), st.integers(0, 1)),
)


def contents(cache: DynamicCache) -> list[torch.Tensor]:
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values) if tensor is not None]


def apply_operation(cache: DynamicCache, name: str, size: int, new: torch.Tensor) -> None:
    """Apply an operation to a cache, unless its rows or its length do not allow it."""
    rows = cache.layers[0].keys.shape[0] if cache.get_seq_length() else 1
    if name == "add":
        for layer in range(2):
            cache.update(*new[..., :size, :].expand(-1, rows, -1, -1, -1).clone(), layer)
    elif name == "crop" and cache.get_seq_length() > size:
        cache.crop(-size)
    elif name == "repeat" and rows < 4:
        cache.batch_repeat_interleave(size)
    elif name == "select" and rows > 1:
        cache.batch_select_indices(torch.tensor([size]))


@given(st.lists(OPERATIONS, max_size=8), st.integers(0, 8), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_contents_equal_those_of_a_transformers_cache(
    operations: list[tuple[str, int]], switch_index: int, seed: int
) -> None:
    torch.manual_seed(seed)
    reference, growing = DynamicCache(config=CONFIG), DynamicCache(config=CONFIG)
    for index, (name, size) in enumerate([("add", 3), *operations]):
        if index >= switch_index:
            use_growing_layers(growing)
        new = torch.randn(2, 1, 2, 300, 4)
        for cache in (reference, growing):
            apply_operation(cache, name, size, new)
    assert reference.get_seq_length() == growing.get_seq_length()
    assert all(torch.equal(*pair) for pair in zip(contents(reference), contents(growing), strict=True))


def test_a_new_token_copies_no_earlier_keys() -> None:
    layer = GrowingLayer()
    layer.update(torch.randn(1, 2, 5, 4), torch.randn(1, 2, 5, 4))
    first = layer.keys.data_ptr()
    for _ in range(50):
        layer.update(torch.randn(1, 2, 1, 4), torch.randn(1, 2, 1, 4))
    assert layer.keys.data_ptr() == first


@pytest.mark.parametrize("length", [0, 4])
def test_earlier_views_do_not_change(length: int) -> None:
    layer = GrowingLayer()
    layer.update(torch.randn(1, 2, length + 1, 4), torch.randn(1, 2, length + 1, 4))
    before = layer.keys.clone()
    view = layer.keys
    layer.update(torch.randn(1, 2, 7, 4), torch.randn(1, 2, 7, 4))
    assert torch.equal(view, before)
