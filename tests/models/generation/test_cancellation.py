"""Closing, cancelling or dropping an answer stops its computation."""

import asyncio
import gc
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from transformers import Cache

from tests.support import tiny
from tests.support.generation import greedy_request
from tests.support.models import PROMPTS, Pause, architectures, chat, each_pass, threads_are_done

LONG: dict[str, Any] = {"max_new_tokens": 300, "min_new_tokens": 300}
"""An answer that takes 300 forward passes unless it is stopped."""


@architectures
def test_closing_a_stream_stops_it(name: str) -> None:
    llm = chat(name)
    with each_pass(llm) as passes:
        stream = llm.stream("The dog", **LONG)
        for _ in range(3):
            next(stream)
        stream.close()  # type: ignore[attr-defined]
        made = len(passes)
        assert 3 <= made < 100
        llm.invoke("Hi", max_new_tokens=1)
        assert len(passes) <= made + 2


def test_dropping_a_stream_stops_it() -> None:
    llm = chat("llama")
    with each_pass(llm) as passes:
        for _ in llm.stream("The dog", **LONG):
            break
        gc.collect()
        made = len(passes)
        assert made < 100
        llm.invoke("Hi", max_new_tokens=1)
        assert len(passes) <= made + 2


async def test_closing_an_async_stream_stops_it() -> None:
    llm = chat("llama")
    with each_pass(llm) as passes:
        stream = llm.astream("The dog", **LONG)
        async for _ in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]
        made = len(passes)
        await threads_are_done()
        assert len(passes) <= made + 1 < 100


@pytest.mark.parametrize("call", ["ainvoke", "astream", "abatch", "beams"])
async def test_cancelling_a_task_stops_it(call: str) -> None:
    llm = chat("llama", **LONG)

    async def stream() -> None:
        async for _ in llm.astream("The dog"):
            pass

    tasks: dict[str, Callable[[], Any]] = {
        "ainvoke": lambda: llm.ainvoke("The dog"),
        "astream": stream,
        "abatch": lambda: llm.abatch(["The dog", "Hi", "What is"]),
        "beams": lambda: llm.ainvoke("The dog", num_beams=2),
    }
    pause = Pause()
    with each_pass(llm, pause) as passes:
        task = asyncio.ensure_future(tasks[call]())
        assert await asyncio.to_thread(pause.reached.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        pause.proceed.set()
        await threads_are_done()
        assert len(passes) <= 4


async def test_a_timeout_stops_the_computation() -> None:
    llm = chat("llama", max_new_tokens=4)
    expected = llm.invoke("The dog").content
    pause = Pause()
    with each_pass(llm, pause) as passes:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(llm.ainvoke("The dog", **LONG), 0.05)
        pause.proceed.set()
        await threads_are_done()
        assert len(passes) <= 4
    assert llm.invoke("The dog").content == expected, "the model still works"


@pytest.mark.parametrize("options", [{}, {"num_beams": 2}], ids=["greedy", "beams"])
def test_a_cancelled_request_has_finish_reason_cancelled(options: dict[str, Any]) -> None:
    model = tiny.make("llama")
    engine = model.engine()
    prompt = model.tokenizer.encode("The dog")
    [complete] = engine.generate([greedy_request(prompt, max_new_tokens=60, **options)])[0]
    request = greedy_request(prompt, max_new_tokens=60, **options)
    passes = itertools.count()
    hook = model.model.register_forward_pre_hook(lambda *_: request.cancel.set() if next(passes) == 5 else None)
    [answer] = engine.generate([request])[0]
    hook.remove()
    assert answer.finish_reason == "cancelled"
    assert len(answer.token_ids) < 12
    if not options:
        assert complete.token_ids[: len(answer.token_ids)] == answer.token_ids
        assert complete.text.startswith(answer.text)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mistral", "t5", "llama"])
def test_no_cache_outlives_its_answer(name: str) -> None:
    """Check that only the prefix cache, which stores tensors, keeps keys and values."""
    llm = chat(name)

    def caches() -> int:
        gc.collect()
        return sum(issubclass(type(item), Cache) for item in gc.get_objects())

    before = caches()
    answers = [
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
    assert answers
