"""A batch that does not fit into memory is halved and tried again; other errors are raised as they are."""

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
def short_of_memory(llm: Any, rows: int) -> Iterator[list[int]]:
    """Let the model run out of memory with more rows than these; give the rows of each attempt."""
    attempts: list[int] = []

    def check(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        given: Any = kwargs.get("input_ids", args[0] if args else kwargs.get("decoder_input_ids"))
        attempts.append(len(given))
        if len(given) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. (a test)")

    hook = llm.engine.loaded.model.register_forward_pre_hook(check, with_kwargs=True)
    try:
        yield attempts
    finally:
        hook.remove()


@pytest.mark.parametrize("way", ["batch", "abatch", "generate"])
@pytest.mark.parametrize("rows", [1, 3])
def test_memory_that_is_short_halves_the_batch(way: str, rows: int) -> None:
    llm = chat("llama", max_new_tokens=6)
    want = [llm.invoke(prompt).content for prompt in PROMPTS]
    ways = {
        "batch": lambda: [answer.content for answer in llm.batch(PROMPTS)],
        "abatch": lambda: [answer.content for answer in asyncio.run(llm.abatch(PROMPTS))],
        "generate": lambda: [one.text for [one] in llm.generate([[HumanMessage(one)] for one in PROMPTS]).generations],
    }
    with short_of_memory(llm, rows) as attempts:
        assert ways[way]() == want
    assert max(attempts) == len(PROMPTS)
    assert len([size for size in attempts if size > rows]) <= len(PROMPTS)


def test_memory_for_not_even_one_answer() -> None:
    llm = chat("llama", max_new_tokens=6)
    with short_of_memory(llm, 0):
        for call in (
            lambda: llm.invoke("Hi"),
            lambda: llm.batch(["Hi", "x"]),
            lambda: llm.generate([[HumanMessage("Hi")]]),
        ):
            with pytest.raises(GenerationError, match="more memory"):
                call()
        got = llm.batch(["Hi", "x"], return_exceptions=True)
    assert [type(one) for one in got] == [GenerationError] * 2


def test_the_memory_of_a_failed_attempt_is_free_for_the_next() -> None:
    llm = chat("llama", max_new_tokens=6)
    caches: list[weakref.ref[Any]] = []
    left: list[int] = []

    def check(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        given = kwargs["input_ids"]
        if len(given) < 4 and not left:
            gc.collect()
            left.append(sum(cache() is not None for cache in caches))
        if len(given) == 4:
            caches.append(weakref.ref(kwargs["cache"]))
            if given.shape[1] == 1:
                raise torch.OutOfMemoryError("CUDA out of memory. (a test)")

    hook = llm.engine.loaded.model.register_forward_pre_hook(check, with_kwargs=True)
    llm.batch(PROMPTS[:4])
    hook.remove()
    assert len(caches) > 1
    assert left == [0]


def test_other_errors_are_not_taken_for_want_of_memory() -> None:
    llm = chat("llama", max_new_tokens=6)

    def fail(*_: Any) -> None:
        raise RuntimeError("shapes do not match")

    hook = llm.engine.loaded.model.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        llm.batch(["Hi", "x"])
    hook.remove()
