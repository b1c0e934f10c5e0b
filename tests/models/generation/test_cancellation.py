"""Whoever leaves an answer, by closing, cancelling or forgetting it, stops its computation."""

import asyncio
import gc
import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest
from transformers import Cache

from tests.support import tiny
from tests.support.generation import greedy_request
from tests.support.models import PROMPTS, architectures, chat, each_pass, slowly


@architectures
def test_a_stream_that_is_closed_computes_no_more(name: str) -> None:
    llm = chat(name)
    with each_pass(llm, lambda _: None) as passes:
        stream = llm.stream("The dog", max_new_tokens=200)
        for _ in range(3):
            next(stream)
        stream.close()  # type: ignore[attr-defined]
        made = len(passes)
        assert 3 <= made < 20
        llm.invoke("Hi", max_new_tokens=1)
        assert len(passes) <= made + 2


def test_a_stream_that_is_forgotten_computes_no_more() -> None:
    llm = chat("llama")
    with each_pass(llm, lambda _: None) as passes:
        for _ in llm.stream("The dog", max_new_tokens=200):
            break
        gc.collect()
        made = len(passes)
        time.sleep(0.1)
        assert len(passes) == made < 20


async def test_an_async_stream_that_is_left_computes_no_more() -> None:
    llm = chat("llama")
    with each_pass(llm, slowly) as passes:
        stream = llm.astream("The dog", max_new_tokens=200)
        async for _ in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
        made = len(passes)
        await asyncio.sleep(0.1)
        assert len(passes) == made < 20


@pytest.mark.parametrize("way", ["ainvoke", "astream", "abatch", "beams"])
async def test_a_cancelled_task_computes_no_more(way: str) -> None:
    llm = chat("llama", max_new_tokens=300)
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def note(number: int) -> None:
        time.sleep(0.01)
        if number == 3:
            loop.call_soon_threadsafe(started.set)

    async def stream() -> None:
        async for _ in llm.astream("The dog"):
            pass

    tasks: dict[str, Callable[[], Any]] = {
        "ainvoke": lambda: llm.ainvoke("The dog"),
        "astream": stream,
        "abatch": lambda: llm.abatch(["The dog", "Hi", "What is"]),
        "beams": lambda: llm.ainvoke("The dog", num_beams=2),
    }
    with each_pass(llm, note) as passes:
        task = asyncio.ensure_future(tasks[way]())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        at_cancel = len(passes)
        await asyncio.sleep(0.15)
        made = len(passes)
        assert made <= at_cancel + 3
        await asyncio.sleep(0.1)
        assert len(passes) == made


async def test_a_call_that_takes_too_long_is_left() -> None:
    llm = chat("llama", max_new_tokens=400)
    with each_pass(llm, slowly) as passes:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(llm.ainvoke("The dog"), 0.15)
        await asyncio.sleep(0.1)
        made = len(passes)
        await asyncio.sleep(0.1)
        assert len(passes) == made < 60
    assert (await llm.ainvoke("The dog", max_new_tokens=4)).content == llm.invoke("The dog", max_new_tokens=4).content


@pytest.mark.parametrize("options", [{}, {"num_beams": 2}], ids=["greedy", "beams"])
def test_a_cancelled_request_says_so(options: dict[str, Any]) -> None:
    model = tiny.make("llama")
    engine = model.engine()
    prompt = model.tokenizer.encode("The dog")
    [whole] = engine.generate([greedy_request(prompt, max_new_tokens=60, **options)])[0]
    asked = greedy_request(prompt, max_new_tokens=60, **options)
    passes = itertools.count()
    hook = model.model.register_forward_pre_hook(lambda *_: asked.cancel.set() if next(passes) == 5 else None)
    [answer] = engine.generate([asked])[0]
    hook.remove()
    assert answer.finish_reason == "cancelled"
    assert len(answer.token_ids) < 12
    if not options:
        assert whole.token_ids[: len(answer.token_ids)] == answer.token_ids
        assert whole.text.startswith(answer.text)


@pytest.mark.parametrize("name", ["mistral", "t5", "llama"])
def test_answers_leave_no_memory_taken(name: str) -> None:
    """But for kept prefixes, which are no cache objects, and are bounded."""
    llm = chat(name)

    def caches() -> int:
        gc.collect()
        return sum(issubclass(type(one), Cache) for one in gc.get_objects())

    before = caches()
    kept = [
        llm.invoke("The dog", logprobs=True),
        llm.invoke("The dog", num_beams=2, logprobs=True),
        *llm.batch(list(PROMPTS)),
        list(llm.stream("The dog")),
        llm.score(list(PROMPTS), ["a", "b"]),
    ]
    stream = llm.stream("The dog")
    next(stream)
    assert caches() > before, "while it runs"
    stream.close()  # type: ignore[attr-defined]
    assert caches() == before
    assert kept
