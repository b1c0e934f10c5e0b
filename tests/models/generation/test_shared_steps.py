"""Callers that decode at the same time share forward passes, and get what each would get alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from transformers import DynamicCache

from llmkit import HuggingFaceChat
from llmkit.models.cpu.int4_linear import has_int4_kernel
from llmkit.models.generation.shared_steps import SharedSteps
from tests.support.generation import greedy_request
from tests.support.int4_llama import SETTINGS, new_engine, new_model

PROMPTS = [(5, 9, 30, 41, 7), (5, 9, 12), (6, 6, 31, 7), (22, 23, 24, 25, 26, 27, 8), (44, 3), (17, 18, 19, 20)]


class CountingForward:
    """A forward pass whose first call waits for `released`, so that the callers behind it are sure to meet."""

    def __init__(self, shared_rows: int, *, fails: bool = False) -> None:
        self.shared_rows, self.fails = shared_rows, fails
        self.passes: list[list[int]] = []
        self.begun, self.released = threading.Event(), threading.Event()

    def step_logits(self, tokens: Sequence[Sequence[int]], caches: Sequence[DynamicCache]) -> torch.Tensor:
        self.passes.append([token for [token] in tokens])
        is_first = len(self.passes) == 1
        if is_first:
            self.begun.set()
            assert self.released.wait(60)
        for cache, [token] in zip(caches, tokens, strict=True):
            cache.update(torch.full((1, 1, 1, 1), float(token)), torch.zeros(1, 1, 1, 1), 0)
        if is_first and self.fails:
            raise MemoryError
        return torch.tensor([[float(token)] for [token] in tokens])


@contextmanager
def callers_behind_the_first(forward: CountingForward, count: int) -> Iterator[tuple[list[Future[Any]], list[Any]]]:
    """Start a caller of token 0, and while its pass runs those of the tokens 1 to `count`; yield results and caches."""
    steps = SharedSteps(forward, threading.RLock())
    caches = [DynamicCache() for _ in range(count + 1)]
    for cache in caches:
        cache.update(torch.zeros(1, 1, 2, 1), torch.zeros(1, 1, 2, 1), 0)
    with ThreadPoolExecutor(count + 1) as pool:
        results = [pool.submit(steps.logits, [0], caches[0])]
        assert forward.begun.wait(60)
        for token in range(1, count + 1):
            results.append(pool.submit(steps.logits, [token], caches[token]))
            while len(steps._waiting) < token:  # so that they come in this order
                time.sleep(0.001)
        forward.released.set()
        yield results, caches


def test_callers_who_wait_share_the_next_pass() -> None:
    forward = CountingForward(shared_rows=12)
    with callers_behind_the_first(forward, 5) as (results, caches):
        assert [float(result.result(60)) for result in results] == [0, 1, 2, 3, 4, 5]
    assert forward.passes == [[0], [1, 2, 3, 4, 5]]
    assert [cache.layers[0].keys[0, 0, :, 0].tolist() for cache in caches] == [[0, 0, token] for token in range(6)]


@pytest.mark.parametrize(("rows", "passes"), [(1, [[0], [1], [2], [3]]), (2, [[0], [1, 2], [3]])])
def test_a_pass_holds_at_most_its_rows_and_the_first_to_come_go_first(rows: int, passes: list[list[int]]) -> None:
    forward = CountingForward(rows)
    with callers_behind_the_first(forward, 3) as (results, _):
        assert [float(result.result(60)) for result in results] == [0, 1, 2, 3]
    assert forward.passes == passes


def test_an_error_reaches_the_caller_that_computed_and_nobody_else() -> None:
    forward = CountingForward(shared_rows=12, fails=True)
    with callers_behind_the_first(forward, 2) as (results, caches):
        with pytest.raises(MemoryError):
            results[0].result(60)
        assert [float(result.result(60)) for result in results[1:]] == [1, 2]
    assert forward.passes == [[0], [1, 2]]
    assert caches[0].get_seq_length() == 2, "as before"


def test_a_caller_whose_pass_failed_for_others_too_leaves_them_as_they_were() -> None:
    class FailsTogether(CountingForward):
        def step_logits(self, tokens: Sequence[Sequence[int]], caches: Sequence[DynamicCache]) -> torch.Tensor:
            logits = super().step_logits(tokens, caches)
            if len(tokens) > 1:
                raise RuntimeError("out of memory")
            return logits

    forward = FailsTogether(shared_rows=12)
    with callers_behind_the_first(forward, 3) as (results, caches):
        failed = [isinstance(result.exception(60), RuntimeError) for result in results]
    assert failed.count(False) == 2, "the first, and the last, who is alone"
    assert [cache.get_seq_length() for cache in caches] == [2 if has_failed else 3 for has_failed in failed]


@pytest.mark.skipif(not has_int4_kernel(), reason="PyTorch has no 4-bit kernel for this processor")
@torch.inference_mode()
def test_sequences_of_any_lengths_are_computed_with_the_bits_of_each_alone() -> None:
    _, fast = new_model()
    assert fast.shared_rows == 12, "if not, this processor's kernel depends on the number of rows"
    for count in (2, 5, 12):
        lengths = [1 + 7 * index % 23 for index in range(count)]
        together = [fast(torch.arange(length)[None] % 60).cache for length in lengths]
        alone = [fast(torch.arange(length)[None] % 60).cache for length in lengths]
        for step in range(3):
            tokens = [(11 * index + step) % 60 for index in range(count)]
            logits = fast.step_logits([[token] for token in tokens], together)
            expected = [
                fast(torch.tensor([[token]]), cache=cache).logits[0, 0]
                for token, cache in zip(tokens, alone, strict=True)
            ]
            assert torch.equal(logits, torch.stack(expected))
        assert [cache.get_seq_length() for cache in together] == [length + 3 for length in lengths]


def test_weights_without_int4_groups_are_not_shared() -> None:
    assert new_model(packed=False)[1].shared_rows == 1, "bfloat16's products depend on the number of rows"


@pytest.mark.parametrize("packed", [True, False])
def test_callers_in_threads_get_what_each_gets_alone(packed: bool) -> None:
    model, fast = new_model(packed=packed)
    requests = [greedy_request(prompt, **chosen) for prompt, chosen in zip(PROMPTS, SETTINGS, strict=True)]
    expected = [new_engine(fast, model).generate([request])[0][0].token_ids for request in requests]
    engine, barrier = new_engine(fast, model), threading.Barrier(len(requests))

    def run(index: int) -> list[list[int]]:
        barrier.wait()
        return [engine.generate([requests[index]])[0][0].token_ids for _ in range(5)]

    with ThreadPoolExecutor(len(requests)) as pool:
        found = list(pool.map(run, range(len(requests))))
    assert found == [[tokens] * 5 for tokens in expected]


@pytest.mark.slow
def test_streams_of_the_default_model_equal_single_answers(default_llm: HuggingFaceChat) -> None:
    llm = default_llm.model_copy(update={"max_new_tokens": 12, "temperature": 0.7, "seed": 5})
    questions = ["What is a telescope?", "Name a colour.", "Write a line about the sea.", "Who was Ada Lovelace?"]
    expected = [llm.invoke(question).content for question in questions]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda question: "".join(str(part.content) for part in llm.stream(question)), questions))
    assert found == expected
