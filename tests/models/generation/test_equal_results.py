"""The same call computes the same bits: whatever was computed before it, and in other threads at the same time.

Two things are compared: the forward passes of a call, exactly, and the bits of its results. A processor computes the
same bits in two passes of the same shape with the same number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit import HuggingFaceChat
from llmkit.models.cpu.int4_linear import pack_nothing
from llmkit.models.cpu.kernels import CpuKernels
from llmkit.models.fast.llama import FastLlama
from llmkit.models.generation.completion import GenerationRequest
from llmkit.models.generation.engine import Engine
from llmkit.models.generation.settings import GenerationSettings
from llmkit.models.weights.loading import from_objects
from tests.support import tiny
from tests.support.generation import forward_passes, generate_alone
from tests.support.tokenizers import chatml_tokenizer

ODD_SIZES = {
    **tiny.BODY,
    "hidden_size": 39,
    "intermediate_size": 83,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "head_dim": 14,
}
VARIANTS = [
    (torch.bfloat16, "transformers"),
    (torch.bfloat16, "fast"),
    (torch.float32, "transformers"),
    (torch.float32, "fast"),
]
LENGTH = 6
ANSWER_START = (61, 62)
ENDINGS = ((9,), (8, 5, 4), (8, 6), (30, 31, 7, 11))

Bits = tuple[Any, ...]


def new_engine(dtype: torch.dtype, forward: str) -> Engine:
    model = tiny.build("Llama", chatml_tokenizer(), ODD_SIZES).to(dtype)
    loaded = from_objects(model, chatml_tokenizer(), context_window=tiny.WINDOW)
    fast = FastLlama(model, CpuKernels(pack_nothing)) if forward == "fast" else None
    engine = Engine(replace(loaded, fast_forward=fast))
    engine.prefix_cache.answer_start = lambda: ANSWER_START
    return engine


def prompt_of(seed: int, shared: int, length: int) -> tuple[int, ...]:
    """Return a prompt whose first `shared` tokens all prompts have."""
    same, other = torch.Generator().manual_seed(1), torch.Generator().manual_seed(seed)
    first = torch.randint(5, 60, (shared,), generator=same)
    return (*first.tolist(), *torch.randint(5, 60, (length - shared,), generator=other).tolist())


PROMPTS = [prompt_of(*numbers) for numbers in ((2, 0, 5), (3, 20, 33), (4, 41, 48), (5, 41, 49), (6, 60, 97))]
PROMPTS.append((*PROMPTS[1], *ANSWER_START, *PROMPTS[0], *PROMPTS[2], *ANSWER_START))
CONTINUED = (*PROMPTS[-1], *PROMPTS[0], *PROMPTS[1])


def answer_bits(engine: Engine, prompt: Sequence[int]) -> Bits:
    """Return the tokens of a greedy answer, and the log-probability of each with those of the likeliest."""
    request = GenerationRequest(tuple(prompt), GenerationSettings(temperature=0, max_new_tokens=LENGTH), logprobs=9)
    [[completion]] = engine.generate([request])
    return tuple((one.token_id, one.logprob, one.top) for one in completion.logprobs)


def score_bits(engine: Engine, *prompts: Sequence[int]) -> Bits:
    return tuple(score.tobytes() for score in engine.scorer.score(prompts, [ENDINGS] * len(prompts)))


def call_bits(engine: Engine, prompt: Sequence[int]) -> Bits:
    return answer_bits(engine, prompt), score_bits(engine, prompt)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "forward"), VARIANTS)
def test_a_call_that_is_repeated_100_times_computes_the_same_bits(dtype: torch.dtype, forward: str) -> None:
    engine = new_engine(dtype, forward)
    expected = call_bits(engine, PROMPTS[3])
    assert {call_bits(engine, PROMPTS[3]) for _ in range(100)} == {expected}


@pytest.mark.parametrize(("dtype", "forward"), VARIANTS)
def test_what_was_computed_before_does_not_change_bits(dtype: torch.dtype, forward: str) -> None:
    prompts = [*PROMPTS, CONTINUED]
    expected = [call_bits(new_engine(dtype, forward), prompt) for prompt in prompts]
    engine = new_engine(dtype, forward)
    for order in (range(len(prompts)), reversed(range(len(prompts)))):
        for index in order:
            assert call_bits(engine, prompts[index]) == expected[index]
    engine.prefix_cache.max_bytes = 0
    engine.prefix_cache.clear()
    assert [call_bits(engine, prompt) for prompt in prompts] == expected, "nothing is kept"


@pytest.mark.parametrize(("dtype", "forward"), VARIANTS)
def test_an_answer_that_becomes_part_of_the_prompt_is_computed_as_a_prompt(dtype: torch.dtype, forward: str) -> None:
    engine, prompt = new_engine(dtype, forward), (*PROMPTS[1], *ANSWER_START)
    for turn in range(3):
        answer = tuple(token for token, *_ in answer_bits(engine, prompt))
        assert engine.prefix_cache.count_cached((*prompt, *answer)) == len(prompt), "its keys are those of a prompt"
        prompt = (*prompt, *answer, *PROMPTS[turn], *ANSWER_START)
        assert call_bits(engine, prompt) == call_bits(new_engine(dtype, forward), prompt)


@pytest.mark.parametrize(("dtype", "forward"), VARIANTS)
def test_calls_in_threads_compute_the_same_bits(dtype: torch.dtype, forward: str) -> None:
    expected = [call_bits(new_engine(dtype, forward), prompt) for prompt in PROMPTS]
    engine, barrier = new_engine(dtype, forward), threading.Barrier(4)

    def run_thread(number: int) -> None:
        barrier.wait()
        for step in range(6):
            index = (number + step) % len(PROMPTS)
            assert call_bits(engine, PROMPTS[index]) == expected[index]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run_thread, range(4)))


@pytest.mark.parametrize(("dtype", "forward"), VARIANTS)
def test_the_same_batch_computes_the_same_bits_again(dtype: torch.dtype, forward: str) -> None:
    engine = new_engine(dtype, forward)
    greedy = GenerationSettings(temperature=0, max_new_tokens=3)
    requests = [GenerationRequest(prompt, greedy, logprobs=2) for prompt in PROMPTS[1:]]

    def batch_bits() -> Bits:
        answers = [answer.logprobs for [answer] in engine.generate(requests)]
        return [[one.logprob for one in answer] for answer in answers], score_bits(engine, *PROMPTS)

    expected = batch_bits()
    for prompt in PROMPTS:
        call_bits(engine, prompt)
    assert batch_bits() == expected


@given(
    st.lists(
        st.tuples(st.integers(2, 4), st.integers(0, 40), st.integers(0, 12), st.integers(0, 9)), min_size=1, max_size=6
    )
)
@settings(max_examples=30)
def test_the_passes_of_a_call_do_not_depend_on_earlier_calls(numbers: list[tuple[int, int, int, int]]) -> None:
    model = tiny.make("llama")
    engine = model.engine()
    engine.prefix_cache.answer_start = lambda: ANSWER_START
    computed: set[tuple[tuple[int, ...], int]] = set()
    for seed, shared, added, turn in numbers:
        prompt = (*prompt_of(seed, shared, shared + added + 1), *ANSWER_START, *prompt_of(7, turn, turn), *ANSWER_START)
        fresh = model.engine()
        fresh.prefix_cache.answer_start = engine.prefix_cache.answer_start
        with forward_passes(fresh) as alone:
            expected = generate_alone(fresh, prompt, max_new_tokens=2)
        with forward_passes(engine) as passes:
            assert generate_alone(engine, prompt, max_new_tokens=2) == expected
        reused = alone[: len(alone) - len(passes)]
        assert alone == [*reused, *passes], "the passes are those of a new engine, but for the first"
        ends = [(start + len(tokens), len(tokens)) for start, tokens in alone]
        known = {(prompt[:end], length) for end, length in ends if end <= len(prompt)}
        assert {(prompt[: start + len(tokens)], len(tokens)) for start, tokens in reused} <= computed, "computed alike"
        computed |= known


@pytest.mark.slow
def test_the_default_model_repeats_its_bits(default_model_folder: Any) -> None:
    llm = HuggingFaceChat(model=str(default_model_folder), device="cpu", dtype="bfloat16", temperature=0)
    engine = llm.engine
    engine.prefix_cache.block_tokens = 32
    expected = [call_bits(engine, prompt) for prompt in PROMPTS]
    engine.prefix_cache.clear()
    for index in (4, 3, 2, 1, 0, 0, 1, 2, 3, 4):
        assert call_bits(engine, PROMPTS[index]) == expected[index]

    def run_thread(number: int) -> None:
        for index in range(number, number + 5):
            assert call_bits(engine, PROMPTS[index % 5]) == expected[index % 5]

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run_thread, range(3)))
