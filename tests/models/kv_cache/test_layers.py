"""A growing cache has the same contents as a cache of transformers, whatever is done to it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache, LlamaConfig

from llmkit.models.kv_cache.layers import GrowingLayer, use_growing_layers

CONFIG = LlamaConfig(num_hidden_layers=2)
STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(1, 300)),
    st.tuples(st.just("crop"), st.integers(1, 40)),
    st.tuples(st.just("repeat"), st.integers(1, 2)),
    st.tuples(st.just("select"), st.integers(0, 1)),
)


def contents(cache: DynamicCache) -> list[torch.Tensor]:
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values) if tensor is not None]


def take(cache: DynamicCache, name: str, size: int, new: torch.Tensor) -> None:
    """Do a step to a cache, unless its rows or its length do not allow it."""
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


@given(st.lists(STEPS, max_size=8), st.integers(0, 8), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_contents_are_the_same(steps: list[tuple[str, int]], late: int, seed: int) -> None:
    torch.manual_seed(seed)
    plain, grown = DynamicCache(config=CONFIG), DynamicCache(config=CONFIG)
    for place, (name, size) in enumerate([("add", 3), *steps]):
        if place >= late:
            use_growing_layers(grown)
        new = torch.randn(2, 1, 2, 300, 4)
        for cache in (plain, grown):
            take(cache, name, size, new)
    assert plain.get_seq_length() == grown.get_seq_length()
    assert all(torch.equal(*pair) for pair in zip(contents(plain), contents(grown), strict=True))


def test_one_more_token_copies_nothing() -> None:
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
    given = layer.keys
    layer.update(torch.randn(1, 2, 7, 4), torch.randn(1, 2, 7, 4))
    assert torch.equal(given, before)
