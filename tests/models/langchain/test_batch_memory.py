"""A batch that runs out of memory is halved and retried; other errors are raised unchanged."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from langchain_core.messages import HumanMessage

from llmkit.errors import GenerationError
from tests.support.models import chat

PROMPTS = ["Hi", "What is the capital of France?", "The dog " * 9, "東京", "def add(a, b):", "The quick brown fox", "x"]


@contextmanager
def limited_memory(llm: Any, rows: int) -> Iterator[list[int]]:
    """Make the model run out of memory with more than `rows` rows; yield the rows of each attempt."""
    attempts: list[int] = []

    def check(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        input_ids: Any = kwargs.get("input_ids", args[0] if args else kwargs.get("decoder_input_ids"))
        attempts.append(len(input_ids))
        if len(input_ids) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. (a test)")

    hook = llm.engine.loaded.model.register_forward_pre_hook(check, with_kwargs=True)
    try:
        yield attempts
    finally:
        hook.remove()


@pytest.mark.parametrize("method", ["batch", "abatch", "generate"])
@pytest.mark.parametrize("rows", [1, 3])
def test_an_out_of_memory_error_halves_the_batch(method: str, rows: int) -> None:
    llm = chat("llama", max_new_tokens=6)
    expected = [llm.invoke(prompt).content for prompt in PROMPTS]
    methods = {
        "batch": lambda: [answer.content for answer in llm.batch(PROMPTS)],
        "abatch": lambda: [answer.content for answer in asyncio.run(llm.abatch(PROMPTS))],
        "generate": lambda: [one.text for [one] in llm.generate([[HumanMessage(one)] for one in PROMPTS]).generations],
    }
    with limited_memory(llm, rows) as attempts:
        assert methods[method]() == expected
    assert max(attempts) == len(PROMPTS)
    assert len([size for size in attempts if size > rows]) <= len(PROMPTS)


def test_out_of_memory_with_one_row_raises_generation_error() -> None:
    llm = chat("llama", max_new_tokens=6)
    with limited_memory(llm, 0):
        for call in (
            lambda: llm.invoke("Hi"),
            lambda: llm.batch(["Hi", "x"]),
            lambda: llm.generate([[HumanMessage("Hi")]]),
        ):
            with pytest.raises(GenerationError, match="more memory"):
                call()
        results = llm.batch(["Hi", "x"], return_exceptions=True)
    assert [type(one) for one in results] == [GenerationError] * 2


@pytest.mark.slow
def test_a_failed_attempt_frees_its_memory_before_the_next() -> None:
    llm = chat("llama", max_new_tokens=6)
    caches: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def check(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        input_ids = kwargs["input_ids"]
        if len(input_ids) < 4 and not alive:
            gc.collect()
            alive.append(sum(cache() is not None for cache in caches))
        if len(input_ids) == 4:
            caches.append(weakref.ref(kwargs["cache"]))
            if input_ids.shape[1] == 1:
                raise torch.OutOfMemoryError("CUDA out of memory. (a test)")

    hook = llm.engine.loaded.model.register_forward_pre_hook(check, with_kwargs=True)
    llm.batch(PROMPTS[:4])
    hook.remove()
    assert len(caches) > 1
    assert alive == [0]


def test_other_runtime_errors_are_raised_unchanged() -> None:
    llm = chat("llama", max_new_tokens=6)

    def fail(*_: Any) -> None:
        raise RuntimeError("shapes do not match")

    hook = llm.engine.loaded.model.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        llm.batch(["Hi", "x"])
    hook.remove()
