"""The prefix cache returns what would be computed for just these tokens, within its memory."""

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

WIDTH = 2 * 2 * 2 * 8 * 4
"""Bytes of a token: layers, keys and values, heads, their size, float32."""

sequences = st.lists(st.integers(0, 2), min_size=1, max_size=9).map(tuple)


def signature(tokens: Sequence[int]) -> float:
    """Return a number that identifies a sequence of tokens."""
    return float(sum((token + 1) * 5**at for at, token in enumerate(tokens)) % 1_000_003)


def cache_of(tokens: Sequence[int]) -> DynamicCache:
    """Return a cache with the signature of its prefix at each position."""
    line = torch.tensor([signature(tokens[: at + 1]) for at in range(len(tokens))])
    cache = DynamicCache(config=tiny.make("llama").model.config)
    for layer in range(2):
        keys = line[None, None, :, None].expand(1, 2, -1, 8)
        cache.update(keys + layer, -keys - layer, layer)
    return cache


def holds(found: tuple[int, DynamicCache | None], tokens: Sequence[int]) -> bool:
    """Return whether the found keys and values are those of the first tokens."""
    known, cache = found
    if cache is None:
        return known == 0
    pairs = zip(cache.layers, cache_of(tokens[:known]).layers, strict=True)
    return known > 0 and all(
        torch.equal(layer.keys, want.keys) and torch.equal(layer.values, want.values) for layer, want in pairs
    )


def longest(tokens: Sequence[int], inserted: Sequence[Sequence[int]]) -> int:
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
        assert found[0] == longest(tokens, inserted)
        assert holds(found, tokens)
    beginnings = {tokens[:end] for tokens in inserted for end in range(1, len(tokens) + 1)}
    assert cache_.nbytes == len(beginnings) * WIDTH, "each prefix is stored once"
    cache_.clear()
    assert cache_.nbytes == 0


@given(st.lists(st.tuples(st.booleans(), sequences), max_size=25), st.integers(0, 20))
def test_memory_is_bounded(steps: list[tuple[bool, tuple[int, ...]]], capacity: int) -> None:
    cache_ = PrefixCache(tiny.make("llama").engine().loaded, max_bytes=capacity * WIDTH)
    inserted: list[tuple[int, ...]] = []
    for inserts, tokens in steps:
        if inserts:
            cache_.insert(tokens, cache_of(tokens))
            inserted.append(tokens)
        assert cache_.nbytes <= capacity * WIDTH
        found = cache_.find(tokens)
        assert found[0] <= longest(tokens, inserted)
        assert holds(found, tokens)


def test_the_least_recently_used_is_evicted() -> None:
    cache_ = PrefixCache(tiny.make("llama").engine().loaded, max_bytes=10 * WIDTH)
    for tokens in ((1, 1, 1, 1), (2, 2, 2, 2)):
        cache_.insert(tokens, cache_of(tokens))
    assert cache_.find((1, 1, 1, 1))[0] == 4
    cache_.insert((3, 3, 3, 3), cache_of((3, 3, 3, 3)))
    assert [cache_.find((token,) * 4)[0] for token in (1, 2, 3)] == [4, 0, 4]


def test_a_found_cache_may_be_changed() -> None:
    cache_ = PrefixCache(tiny.make("llama").engine().loaded)
    cache_.insert((1, 2, 3), cache_of((1, 2, 3)))
    _, cache = cache_.find((1, 2, 3))
    assert cache is not None
    for layer in cache.layers:
        layer.keys.zero_()
        layer.values.zero_()
    cache.update(torch.ones(1, 2, 1, 8), torch.ones(1, 2, 1, 8), 0)
    assert cache_.find((1, 2, 3))[0] == 3
    assert holds(cache_.find((1, 2, 3)), (1, 2, 3))


def test_an_inserted_cache_may_be_changed() -> None:
    cache_ = PrefixCache(tiny.make("llama").engine().loaded)
    cache = cache_of((1, 2, 3))
    cache_.insert((1, 2, 3), cache)
    for layer in cache.layers:
        layer.keys.zero_()
    assert cache_.find((1, 2, 3))[0] == 3
    assert holds(cache_.find((1, 2, 3)), (1, 2, 3))


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2", "opt", "gpt_neox", "falcon", "bloom"])
def test_found_values_equal_a_new_computation(name: str) -> None:
    model = tiny.make(name)
    engine = model.engine()
    prompt = encode_prompts(model)[3]
    [answer] = generate_alone(engine, prompt)
    tokens = [*prompt, *answer]
    known, cache = engine.prefix_cache.find(tokens)
    assert known == len(tokens) - 1
    assert cache is not None
    with torch.no_grad():
        fresh = model.model(torch.tensor([tokens[:known]]), use_cache=True).cache
    for layer, want in zip(cache.layers, fresh.layers, strict=True):
        torch.testing.assert_close(layer.keys, want.keys, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(layer.values, want.values, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["mistral", "gemma2", "gpt_oss", "mamba", "lfm2", "t5", "bart"])
def test_caches_that_cannot_be_cropped_are_not_inserted(name: str) -> None:
    model = tiny.make(name)
    assert not can_crop_cache(model.model)
    engine = model.engine()
    generate_alone(engine, encode_prompts(model)[1])
    assert engine.prefix_cache.nbytes == 0
    assert engine.prefix_cache.find(encode_prompts(model)[1]) == (0, None)


def test_an_interrupted_pass_inserts_nothing_wrong() -> None:
    model = tiny.make("llama")
    engine, prompt = model.engine(), encode_prompts(model)[2]
    wanted = model.reference(prompt, max_new_tokens=12)
    passes = itertools.count()

    def break_off(*_: object) -> None:
        if next(passes) == 5:
            raise RuntimeError("in the second of two layers")

    hook = model.model.model.layers[1].register_forward_pre_hook(break_off)
    with pytest.raises(RuntimeError, match="second of two"):
        generate_alone(engine, prompt, max_new_tokens=12)
    hook.remove()
    assert engine.prefix_cache.find([*prompt, *wanted[0]])[0] == len(prompt) + 4
    assert generate_alone(engine, prompt, max_new_tokens=12) == wanted
    assert generate_alone(engine, [*prompt, *wanted[0]]) == model.reference([*prompt, *wanted[0]], max_new_tokens=16)


def test_threads_share_a_cache() -> None:
    cache_ = PrefixCache(tiny.make("llama").engine().loaded, max_bytes=60 * WIDTH)
    begin = threading.Barrier(4)

    def work(number: int) -> None:
        begin.wait()
        for turn in range(60):
            tokens = tuple((number * turn + at) % 3 for at in range(1 + turn % 12))
            cache_.insert(tokens, cache_of(tokens))
            assert holds(cache_.find(tokens), tokens)
            assert cache_.nbytes <= 60 * WIDTH

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=4))
def test_common_prefix_length(lists: list[list[int]]) -> None:
    length = common_prefix_length(lists)
    shortest = min(map(len, lists)) - 1
    assert len({tuple(one[:length]) for one in lists}) == 1
    assert length == shortest or len({tuple(one[: length + 1]) for one in lists}) > 1
