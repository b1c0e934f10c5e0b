"""What the store gives was kept for just these tokens, is what would be computed, and takes no more than its memory."""

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
    """Give a number that stands for all of these tokens."""
    return float(sum((token + 1) * 5**at for at, token in enumerate(tokens)) % 1_000_003)


def cache_of(tokens: Sequence[int]) -> DynamicCache:
    """Give a cache whose every position holds what stands for the tokens up to it."""
    line = torch.tensor([signature(tokens[: at + 1]) for at in range(len(tokens))])
    cache = DynamicCache(config=tiny.make("llama").model.config)
    for layer in range(2):
        keys = line[None, None, :, None].expand(1, 2, -1, 8)
        cache.update(keys + layer, -keys - layer, layer)
    return cache


def holds(found: tuple[int, DynamicCache | None], tokens: Sequence[int]) -> bool:
    """Tell whether what was found is what was computed for these tokens, as far as it goes."""
    known, cache = found
    if cache is None:
        return known == 0
    pairs = zip(cache.layers, cache_of(tokens[:known]).layers, strict=True)
    return known > 0 and all(
        torch.equal(layer.keys, want.keys) and torch.equal(layer.values, want.values) for layer, want in pairs
    )


def longest(tokens: Sequence[int], kept: Sequence[Sequence[int]]) -> int:
    """Give the length of the longest beginning that one of the kept sequences has too."""
    same = (itertools.takewhile(lambda pair: pair[0] == pair[1], zip(tokens, other, strict=False)) for other in kept)
    return max((len(list(pairs)) for pairs in same), default=0)


@given(st.lists(st.tuples(st.booleans(), sequences), max_size=15))
def test_the_longest_known_beginning_is_found(steps: list[tuple[bool, tuple[int, ...]]]) -> None:
    store = PrefixCache(tiny.make("llama").engine().loaded)
    kept: list[tuple[int, ...]] = []
    for keeps, tokens in steps:
        if keeps:
            store.insert(tokens, cache_of(tokens))
            kept.append(tokens)
        found = store.find(tokens)
        assert found[0] == longest(tokens, kept)
        assert holds(found, tokens)
    beginnings = {tokens[:end] for tokens in kept for end in range(1, len(tokens) + 1)}
    assert store.nbytes == len(beginnings) * WIDTH, "each beginning is kept once"
    store.clear()
    assert store.nbytes == 0


@given(st.lists(st.tuples(st.booleans(), sequences), max_size=25), st.integers(0, 20))
def test_no_more_is_kept_than_the_memory_allows(steps: list[tuple[bool, tuple[int, ...]]], room: int) -> None:
    store = PrefixCache(tiny.make("llama").engine().loaded, max_bytes=room * WIDTH)
    kept: list[tuple[int, ...]] = []
    for keeps, tokens in steps:
        if keeps:
            store.insert(tokens, cache_of(tokens))
            kept.append(tokens)
        assert store.nbytes <= room * WIDTH
        found = store.find(tokens)
        assert found[0] <= longest(tokens, kept)
        assert holds(found, tokens)


def test_what_was_used_last_stays() -> None:
    store = PrefixCache(tiny.make("llama").engine().loaded, max_bytes=10 * WIDTH)
    for tokens in ((1, 1, 1, 1), (2, 2, 2, 2)):
        store.insert(tokens, cache_of(tokens))
    assert store.find((1, 1, 1, 1))[0] == 4
    store.insert((3, 3, 3, 3), cache_of((3, 3, 3, 3)))
    assert [store.find((token,) * 4)[0] for token in (1, 2, 3)] == [4, 0, 4]


def test_what_is_found_may_be_changed() -> None:
    store = PrefixCache(tiny.make("llama").engine().loaded)
    store.insert((1, 2, 3), cache_of((1, 2, 3)))
    _, cache = store.find((1, 2, 3))
    assert cache is not None
    for layer in cache.layers:
        layer.keys.zero_()
        layer.values.zero_()
    cache.update(torch.ones(1, 2, 1, 8), torch.ones(1, 2, 1, 8), 0)
    assert store.find((1, 2, 3))[0] == 3
    assert holds(store.find((1, 2, 3)), (1, 2, 3))


def test_what_was_kept_may_be_changed() -> None:
    store = PrefixCache(tiny.make("llama").engine().loaded)
    cache = cache_of((1, 2, 3))
    store.insert((1, 2, 3), cache)
    for layer in cache.layers:
        layer.keys.zero_()
    assert store.find((1, 2, 3))[0] == 3
    assert holds(store.find((1, 2, 3)), (1, 2, 3))


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2", "opt", "gpt_neox", "falcon", "bloom"])
def test_found_values_are_those_of_a_fresh_computation(name: str) -> None:
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
def test_caches_that_cannot_be_cut_are_not_kept(name: str) -> None:
    model = tiny.make(name)
    assert not can_crop_cache(model.model)
    engine = model.engine()
    generate_alone(engine, encode_prompts(model)[1])
    assert engine.prefix_cache.nbytes == 0
    assert engine.prefix_cache.find(encode_prompts(model)[1]) == (0, None)


def test_a_pass_that_broke_off_leaves_nothing_wrong() -> None:
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


def test_many_threads() -> None:
    store = PrefixCache(tiny.make("llama").engine().loaded, max_bytes=60 * WIDTH)
    begin = threading.Barrier(4)

    def work(number: int) -> None:
        begin.wait()
        for turn in range(60):
            tokens = tuple((number * turn + at) % 3 for at in range(1 + turn % 12))
            store.insert(tokens, cache_of(tokens))
            assert holds(store.find(tokens), tokens)
            assert store.nbytes <= 60 * WIDTH

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=4))
def test_common_length(lists: list[list[int]]) -> None:
    length = common_prefix_length(lists)
    shortest = min(map(len, lists)) - 1
    assert len({tuple(one[:length]) for one in lists}) == 1
    assert length == shortest or len({tuple(one[: length + 1]) for one in lists}) > 1
