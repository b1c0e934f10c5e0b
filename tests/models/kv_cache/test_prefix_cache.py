"""The prefix cache computes prompts in blocks, reuses whole blocks alone, and stays within its memory limit."""

import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache

from llmkit.models.generation.engine import Engine
from llmkit.models.kv_cache.layers import can_crop_cache, common_prefix_length
from llmkit.models.kv_cache.pass_ends import pass_ends
from tests.support import tiny
from tests.support.generation import encode_prompts, forward_passes, generate_alone

BLOCK = 3
BYTES_PER_TOKEN = 2 * 2 * 2 * 8 * 8
"""Layers × (keys and values) × heads × head size × float64."""

sequences = st.lists(st.integers(5, 6), min_size=1, max_size=11).map(tuple)


def new_engine(name: str = "llama", max_bytes: int | None = None) -> Engine:
    engine = tiny.make(name).engine()
    engine.prefix_cache.block_tokens = BLOCK
    if max_bytes is not None:
        engine.prefix_cache.max_bytes = max_bytes
    return engine


def spans(tokens: Sequence[int]) -> list[tuple[int, int]]:
    """Return the start and end of each pass that prefills these tokens."""
    return list(itertools.pairwise([*pass_ends(tokens, BLOCK), len(tokens)]))


def passes_of(tokens: Sequence[int]) -> list[tuple[int, ...]]:
    """Return what identifies each pass that prefills these tokens: all tokens up to its end, and its length."""
    return [(*tokens[:end], end - start) for start, end in spans(tokens)]


def assert_is_cache_of(cache: Any, tokens: Sequence[int]) -> None:
    """Check that keys and values are those of exactly these tokens."""
    with torch.inference_mode():
        computed = tiny.make("llama").model(torch.tensor([tokens]), use_cache=True).cache
    for layer, expected in zip(cache.layers, computed.layers, strict=True):
        torch.testing.assert_close(layer.keys, expected.keys)
        torch.testing.assert_close(layer.values, expected.values)


@given(st.lists(sequences, max_size=8))
def test_a_pass_is_computed_only_once_and_with_the_same_tokens_before_it(prompts: list[tuple[int, ...]]) -> None:
    engine = new_engine()
    known: set[tuple[int, ...]] = set()
    for tokens in prompts:
        new = [
            (start, tokens[start:end])
            for (start, end), key in zip(spans(tokens), passes_of(tokens), strict=True)
            if key not in known
        ]
        assert engine.prefix_cache.count_cached(tokens) == (new[0][0] if new else len(tokens))
        with forward_passes(engine) as passes:
            cache = engine.prefix_cache.prefill(tokens)
        assert passes == new
        assert_is_cache_of(cache, tokens)
        known.update(passes_of(tokens))
    assert engine.prefix_cache.nbytes == sum(key[-1] for key in known) * BYTES_PER_TOKEN, "each pass is kept once"
    engine.prefix_cache.clear()
    assert engine.prefix_cache.nbytes == 0


@given(st.lists(sequences, max_size=12), st.integers(0, 20))
def test_memory_is_bounded(prompts: list[tuple[int, ...]], capacity: int) -> None:
    engine = new_engine(max_bytes=capacity * BYTES_PER_TOKEN)
    for tokens in prompts:
        cached = engine.prefix_cache.count_cached(tokens)
        with forward_passes(engine) as passes:
            cache = engine.prefix_cache.prefill(tokens)
        assert passes == [(start, tokens[start:end]) for start, end in spans(tokens) if start >= cached]
        assert_is_cache_of(cache, tokens)
        assert engine.prefix_cache.nbytes <= capacity * BYTES_PER_TOKEN
        kept = max(end for end in (0, *(end for _, end in spans(tokens))) if end <= capacity)
        assert engine.prefix_cache.count_cached(tokens) == kept, "what was used last is kept, as far as it fits"


def test_the_least_recently_used_is_evicted() -> None:
    cache_ = new_engine(max_bytes=2 * BLOCK * BYTES_PER_TOKEN).prefix_cache
    blocks = [(token,) * BLOCK for token in (5, 6, 7)]
    for index in (0, 1, 0, 2):
        cache_.prefill(blocks[index])
    assert [cache_.count_cached(block) for block in blocks] == [BLOCK, 0, BLOCK]


def test_changing_a_prefilled_cache_does_not_change_the_prefix_cache() -> None:
    engine, tokens = new_engine(), (5, 6, 7, 5, 5, 6, 6)
    for _ in range(2):  # the first computes it, the second finds it
        cache = engine.prefix_cache.prefill(tokens)
        with torch.inference_mode():
            for layer in cache.layers:
                layer.keys.zero_()
                layer.values.zero_()
            cache.update(torch.ones(1, 2, 1, 8), torch.ones(1, 2, 1, 8), 0)
        with forward_passes(engine) as passes:
            assert_is_cache_of(engine.prefix_cache.prefill(tokens), tokens)
        assert [start for start, _ in passes] == [0], "only the reference is computed"


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2", "opt", "gpt_neox", "falcon", "bloom"])
def test_joined_blocks_equal_one_pass(name: str) -> None:
    model, engine = tiny.make(name), new_engine(name)
    prompt = encode_prompts(model)[3]
    generate_alone(engine, prompt)
    length = engine.prefix_cache.count_cached(prompt)
    assert length == pass_ends(prompt, BLOCK)[-1] > BLOCK
    found, cache = engine.prefix_cache.prefill_blocks(prompt)
    assert found == length
    with torch.no_grad():
        computed = model.model(torch.tensor([prompt[:length]]), use_cache=True).cache
    for layer, expected in zip(cache.layers, computed.layers, strict=True):
        torch.testing.assert_close(layer.keys, expected.keys, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(layer.values, expected.values, atol=1e-5, rtol=1e-4)


def test_the_last_token_is_left_for_the_pass_that_computes_logits() -> None:
    cache_ = new_engine().prefix_cache
    assert [cache_.prefill_blocks((5,) * length)[0] for length in range(1, 9)] == [0, 0, 0, 3, 3, 3, 6, 6]
    assert cache_.prefill(()) is None


@pytest.mark.parametrize("name", ["mistral", "gemma2", "gpt_oss", "mamba", "lfm2", "t5", "bart"])
def test_prompts_of_models_whose_caches_cannot_be_cropped_are_computed_at_once(name: str) -> None:
    model, engine = tiny.make(name), new_engine(name)
    assert not can_crop_cache(model.model)
    prompt = encode_prompts(model)[1]
    generate_alone(engine, prompt)
    assert engine.prefix_cache.nbytes == 0
    assert engine.prefix_cache.prefill_blocks(prompt) == (0, None)


def test_an_interrupted_forward_pass_keeps_no_wrong_values() -> None:
    model, engine = tiny.make("llama"), new_engine()
    prompt = encode_prompts(model)[2]
    expected = model.reference(prompt, max_new_tokens=12)
    numbers = itertools.count()

    def interrupt(*_: object) -> None:
        if next(numbers) == 2:
            raise RuntimeError("in the second of two layers")

    hook = model.model.model.layers[1].register_forward_pre_hook(interrupt)
    with pytest.raises(RuntimeError, match="second of two"):
        generate_alone(engine, prompt, max_new_tokens=12)
    hook.remove()
    assert engine.prefix_cache.count_cached(prompt) == 2 * BLOCK
    assert generate_alone(engine, prompt, max_new_tokens=12) == expected
    assert_is_cache_of(engine.prefix_cache.prefill(prompt), prompt)


def test_what_was_computed_with_earlier_weights_is_not_kept() -> None:
    engine = new_engine()
    loaded, tokens = engine.loaded, (5, 6, 7, 5, 5, 6, 6)
    hook = loaded.model.register_forward_hook(lambda *_: loaded.mark_weights_changed())  # in another thread
    engine.prefix_cache.prefill(tokens)
    hook.remove()
    assert engine.prefix_cache.count_cached(tokens) == 0


def test_threads_can_share_a_prefix_cache() -> None:
    engine = new_engine(max_bytes=60 * BYTES_PER_TOKEN)
    barrier = threading.Barrier(4)
    pairs_of_numbers = itertools.product(range(4), range(12))
    prompts = [tuple(5 + (i * j + index) % 3 for index in range(1 + j)) for i, j in pairs_of_numbers]
    expected = {tokens: _copy(new_engine().prefix_cache.prefill(tokens)) for tokens in prompts}

    def use_cache_in_thread(number: int) -> None:
        barrier.wait()
        for tokens in prompts[number:] + prompts[:number]:
            pairs = zip(_copy(engine.prefix_cache.prefill(tokens)), expected[tokens], strict=True)
            assert all(torch.equal(one, other) for one, other in pairs)
            assert engine.prefix_cache.nbytes <= 60 * BYTES_PER_TOKEN

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use_cache_in_thread, range(4)))


def _copy(cache: DynamicCache) -> list[torch.Tensor]:
    return [tensor.clone() for layer in cache.layers for tensor in (layer.keys, layer.values)]


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=4))
def test_common_prefix_length_is_the_longest_shared_by_all(lists: list[list[int]]) -> None:
    length = common_prefix_length(lists)
    shortest = min(map(len, lists)) - 1
    assert len({tuple(tokens[:length]) for tokens in lists}) == 1
    assert length == shortest or len({tuple(tokens[: length + 1]) for tokens in lists}) > 1
