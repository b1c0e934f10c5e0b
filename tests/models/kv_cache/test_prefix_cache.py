"""The prefix cache returns the keys and values of exactly the given tokens, within its memory limit."""

import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache

from llmkit.models.kv_cache.layers import can_crop_cache, common_prefix_length
from llmkit.models.kv_cache.prefix_cache import PrefixCache
from tests.support import tiny
from tests.support.generation import encode_prompts, generate_alone

BYTES_PER_TOKEN = 2 * 2 * 2 * 8 * 4
"""Layers × (keys and values) × heads × head size × float32."""

sequences = st.lists(st.integers(0, 2), min_size=1, max_size=9).map(tuple)


def signature(tokens: Sequence[int]) -> float:
    """Return a number that identifies a sequence of tokens."""
    return float(sum((token + 1) * 5**index for index, token in enumerate(tokens)) % 1_000_003)


def cache_of(tokens: Sequence[int]) -> DynamicCache:
    """Return a cache with the signature of its prefix at each position."""
    signatures = torch.tensor([signature(tokens[: index + 1]) for index in range(len(tokens))])
    cache = DynamicCache(config=tiny.make("llama").model.config)
    for layer in range(2):
        keys = signatures[None, None, :, None].expand(1, 2, -1, 8)
        cache.update(keys + layer, -keys - layer, layer)
    return cache


def is_cache_of(found: tuple[int, DynamicCache | None], tokens: Sequence[int]) -> bool:
    """Return whether the found keys and values are those of the first tokens."""
    length, cache = found
    if cache is None:
        return length == 0
    pairs = zip(cache.layers, cache_of(tokens[:length]).layers, strict=True)
    return length > 0 and all(
        torch.equal(layer.keys, expected.keys) and torch.equal(layer.values, expected.values)
        for layer, expected in pairs
    )


def longest_shared_prefix(tokens: Sequence[int], inserted: Sequence[Sequence[int]]) -> int:
    """Return the length of the longest prefix shared with an inserted sequence."""
    same = (
        itertools.takewhile(lambda pair: pair[0] == pair[1], zip(tokens, other, strict=False)) for other in inserted
    )
    return max((len(list(pairs)) for pairs in same), default=0)


@given(st.lists(st.tuples(st.booleans(), sequences), max_size=15))
def test_the_longest_prefix_is_found(steps: list[tuple[bool, tuple[int, ...]]]) -> None:
    cache_ = PrefixCache(tiny.make("llama").engine().loaded)
    inserted: list[tuple[int, ...]] = []
    for inserts, tokens in steps:
        if inserts:
            cache_.insert(tokens, cache_of(tokens))
            inserted.append(tokens)
        found = cache_.find(tokens)
        assert found[0] == longest_shared_prefix(tokens, inserted)
        assert is_cache_of(found, tokens)
    beginnings = {tokens[:end] for tokens in inserted for end in range(1, len(tokens) + 1)}
    assert cache_.nbytes == len(beginnings) * BYTES_PER_TOKEN, "each prefix is stored once"
    cache_.clear()
    assert cache_.nbytes == 0


@given(st.lists(st.tuples(st.booleans(), sequences), max_size=25), st.integers(0, 20))
def test_memory_is_bounded(steps: list[tuple[bool, tuple[int, ...]]], capacity: int) -> None:
    cache_ = PrefixCache(tiny.make("llama").engine().loaded, max_bytes=capacity * BYTES_PER_TOKEN)
    inserted: list[tuple[int, ...]] = []
    for inserts, tokens in steps:
        if inserts:
            cache_.insert(tokens, cache_of(tokens))
            inserted.append(tokens)
        assert cache_.nbytes <= capacity * BYTES_PER_TOKEN
        found = cache_.find(tokens)
        assert found[0] <= longest_shared_prefix(tokens, inserted)
        assert is_cache_of(found, tokens)


def test_the_least_recently_used_is_evicted() -> None:
    cache_ = PrefixCache(tiny.make("llama").engine().loaded, max_bytes=10 * BYTES_PER_TOKEN)
    for tokens in ((1, 1, 1, 1), (2, 2, 2, 2)):
        cache_.insert(tokens, cache_of(tokens))
    assert cache_.find((1, 1, 1, 1))[0] == 4
    cache_.insert((3, 3, 3, 3), cache_of((3, 3, 3, 3)))
    assert [cache_.find((token,) * 4)[0] for token in (1, 2, 3)] == [4, 0, 4]


def test_changing_a_found_cache_does_not_change_the_prefix_cache() -> None:
    cache_ = PrefixCache(tiny.make("llama").engine().loaded)
    cache_.insert((1, 2, 3), cache_of((1, 2, 3)))
    _, cache = cache_.find((1, 2, 3))
    assert cache is not None
    for layer in cache.layers:
        layer.keys.zero_()
        layer.values.zero_()
    cache.update(torch.ones(1, 2, 1, 8), torch.ones(1, 2, 1, 8), 0)
    assert cache_.find((1, 2, 3))[0] == 3
    assert is_cache_of(cache_.find((1, 2, 3)), (1, 2, 3))


def test_changing_an_inserted_cache_does_not_change_the_prefix_cache() -> None:
    cache_ = PrefixCache(tiny.make("llama").engine().loaded)
    cache = cache_of((1, 2, 3))
    cache_.insert((1, 2, 3), cache)
    for layer in cache.layers:
        layer.keys.zero_()
    assert cache_.find((1, 2, 3))[0] == 3
    assert is_cache_of(cache_.find((1, 2, 3)), (1, 2, 3))


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2", "opt", "gpt_neox", "falcon", "bloom"])
def test_found_values_equal_a_new_computation(name: str) -> None:
    model = tiny.make(name)
    engine = model.engine()
    prompt = encode_prompts(model)[3]
    [answer] = generate_alone(engine, prompt)
    tokens = [*prompt, *answer]
    length, cache = engine.prefix_cache.find(tokens)
    assert length == len(tokens) - 1
    assert cache is not None
    with torch.no_grad():
        computed = model.model(torch.tensor([tokens[:length]]), use_cache=True).cache
    for layer, expected in zip(cache.layers, computed.layers, strict=True):
        torch.testing.assert_close(layer.keys, expected.keys, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(layer.values, expected.values, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["mistral", "gemma2", "gpt_oss", "mamba", "lfm2", "t5", "bart"])
def test_caches_that_cannot_be_cropped_are_not_inserted(name: str) -> None:
    model = tiny.make(name)
    assert not can_crop_cache(model.model)
    engine = model.engine()
    generate_alone(engine, encode_prompts(model)[1])
    assert engine.prefix_cache.nbytes == 0
    assert engine.prefix_cache.find(encode_prompts(model)[1]) == (0, None)


def test_an_interrupted_forward_pass_inserts_no_wrong_values() -> None:
    model = tiny.make("llama")
    engine, prompt = model.engine(), encode_prompts(model)[2]
    expected = model.reference(prompt, max_new_tokens=12)
    passes = itertools.count()

    def interrupt(*_: object) -> None:
        if next(passes) == 5:
            raise RuntimeError("in the second of two layers")

    hook = model.model.model.layers[1].register_forward_pre_hook(interrupt)
    with pytest.raises(RuntimeError, match="second of two"):
        generate_alone(engine, prompt, max_new_tokens=12)
    hook.remove()
    assert engine.prefix_cache.find([*prompt, *expected[0]])[0] == len(prompt) + 4
    assert generate_alone(engine, prompt, max_new_tokens=12) == expected
    assert generate_alone(engine, [*prompt, *expected[0]]) == model.reference(
        [*prompt, *expected[0]], max_new_tokens=16
    )


def test_threads_can_share_a_prefix_cache() -> None:
    cache_ = PrefixCache(tiny.make("llama").engine().loaded, max_bytes=60 * BYTES_PER_TOKEN)
    barrier = threading.Barrier(4)

    def use_cache_in_thread(number: int) -> None:
        barrier.wait()
        for step in range(60):
            tokens = tuple((number * step + index) % 3 for index in range(1 + step % 12))
            cache_.insert(tokens, cache_of(tokens))
            assert is_cache_of(cache_.find(tokens), tokens)
            assert cache_.nbytes <= 60 * BYTES_PER_TOKEN

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use_cache_in_thread, range(4)))


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=4))
def test_common_prefix_length_is_the_longest_shared_by_all(lists: list[list[int]]) -> None:
    length = common_prefix_length(lists)
    shortest = min(map(len, lists)) - 1
    assert len({tuple(tokens[:length]) for tokens in lists}) == 1
    assert length == shortest or len({tuple(tokens[: length + 1]) for tokens in lists}) > 1
