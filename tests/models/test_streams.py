"""A stream joins to the answer, ends when it is left, and brings errors at once; whoever else is at work."""

import asyncio
import gc
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from llmkit import HuggingFaceChat, HuggingFaceLLM
from llmkit.errors import SettingsError
from llmkit.models.settings import GenerationSettings
from tests import tiny
from tests.models.test_generate import request

PROMPTS = ("What is the capital of France?", "The dog", "東京 is the quick brown fox " * 3, "def add(a, b):")
LENGTH = 24

kinds = pytest.mark.parametrize("name", ["llama", "mistral", "mamba", "t5", "bart"])


def chat(name: str, **options: Any) -> HuggingFaceChat:
    model = tiny.make(name)
    options = {"temperature": 0, "max_new_tokens": LENGTH, "context_window": tiny.WINDOW, **options}
    return HuggingFaceChat(model=model.model, tokenizer=model.tokenizer, **options)


def completion(name: str, **options: Any) -> HuggingFaceLLM:
    model = tiny.make(name)
    options = {"temperature": 0, "max_new_tokens": LENGTH, "context_window": tiny.WINDOW, **options}
    return HuggingFaceLLM(model=model.model, tokenizer=model.tokenizer, **options)


def joined(chunks: list[Any]) -> Any:
    return sum(chunks[1:], chunks[0])


def comparable(message: Any) -> dict[str, Any]:
    """Give what two answers that were written in one way have in common."""
    meta = {key: value for key, value in message.response_metadata.items() if key != "timings"}
    return {
        "content": message.content,
        "usage": message.usage_metadata,
        "meta": meta,
        "more": message.additional_kwargs,
        "calls": [(call["name"], call["args"]) for call in message.tool_calls],
    }


@contextmanager
def each_pass(llm: Any, act: Callable[[int], None]) -> Iterator[list[float]]:
    """Do something before each forward pass, told its number; give the times of the passes."""
    times: list[float] = []

    def before(*_: object) -> None:
        times.append(time.perf_counter())
        act(len(times))

    hook = llm.engine.loaded.model.register_forward_pre_hook(before)
    try:
        yield times
    finally:
        hook.remove()


def slowly(_: int) -> None:
    time.sleep(0.01)


# Streams and answers


@kinds
@pytest.mark.parametrize("options", [{}, {"temperature": 1.1, "seed": 3, "logprobs": 2}], ids=["greedy", "drawn"])
async def test_a_stream_joins_to_the_answer(name: str, options: dict[str, Any]) -> None:
    llm = chat(name)
    for prompt in PROMPTS:
        whole = llm.invoke(prompt, **options)
        assert isinstance(whole.content, str)
        middle = whole.content[len(whole.content) // 2 :][:3]
        for stop in (None, [middle], ["zz", middle[:1]]) if middle else (None,):
            want = comparable(llm.invoke(prompt, stop=stop, **options))
            assert comparable(joined(list(llm.stream(prompt, stop=stop, **options)))) == want
            assert comparable(joined([chunk async for chunk in llm.astream(prompt, stop=stop, **options)])) == want
            assert comparable(await llm.ainvoke(prompt, stop=stop, **options)) == want
            if stop:
                assert want["content"] == whole.content[: whole.content.index(stop[-1])]
                assert want["meta"]["finish_reason"] == "stop"


@kinds
async def test_a_streamed_completion_joins_to_the_completion(name: str) -> None:
    llm = completion(name)
    for prompt in PROMPTS:
        whole = llm.invoke(prompt)
        assert "".join(llm.stream(prompt)) == whole
        assert "".join([piece async for piece in llm.astream(prompt)]) == whole
        assert await llm.ainvoke(prompt) == whole


def test_thoughts_and_answers_are_streamed_apart() -> None:
    llm = chat("qwen3")
    pattern = {"type": "regex", "pattern": r"<think>\n[a-z]{3}\n</think>\n\n[A-Z]{4}"}
    chunks = list(llm.stream("Hi", response_format=pattern))
    whole = llm.invoke("Hi", response_format=pattern)
    assert comparable(joined(chunks)) == comparable(whole)
    assert len(whole.content) == 4
    assert len(whole.additional_kwargs["reasoning_content"].strip()) == 3
    blocks = [block["type"] for block in whole.content_blocks]
    assert blocks == ["reasoning", "text"]
    opened = llm.invoke("Hi", chat_template_kwargs={"enable_thinking": True}, max_new_tokens=8)
    assert opened.content == ""
    assert opened.additional_kwargs["reasoning_content"]


@pytest.mark.parametrize(
    ("options", "named"), [({"num_beams": 2}, "num_beams is 2"), ({"n": 2, "temperature": 1}, "n is 2")]
)
async def test_what_cannot_be_streamed(options: dict[str, Any], named: str) -> None:
    llm = chat("llama")
    with pytest.raises(SettingsError, match=named):
        list(llm.stream("Hi", **options))
    with pytest.raises(SettingsError, match=named):
        [chunk async for chunk in llm.astream("Hi", **options)]


# Errors


class Broken(Exception):
    """What a model might raise."""


def breaking(number: int) -> None:
    if number >= 3:
        raise Broken("in the third pass")


@pytest.mark.parametrize("name", ["llama", "t5"])
async def test_an_error_inside_the_model_reaches_the_caller_at_once(name: str) -> None:
    llm = chat(name)
    want = llm.invoke("The dog").content

    async def astream() -> list[AIMessageChunk]:
        return [chunk async for chunk in llm.astream("The dog")]

    calls: list[Callable[[], Any]] = [
        lambda: llm.invoke("The dog"),
        lambda: list(llm.stream("The dog")),
        lambda: llm.batch(["The dog", "Hi"]),
    ]
    tasks: list[Callable[[], Any]] = [lambda: llm.ainvoke("The dog"), astream, lambda: llm.abatch(["The dog", "Hi"])]
    for call in calls:
        begun = time.perf_counter()
        with each_pass(llm, breaking), pytest.raises(Broken, match="third pass"):
            call()
        assert time.perf_counter() - begun < 5
    for task in tasks:
        with each_pass(llm, breaking), pytest.raises(Broken, match="third pass"):
            await asyncio.wait_for(task(), 5)
    assert llm.invoke("The dog").content == want, "and the model goes on"


def test_a_stream_gives_what_came_before_the_error() -> None:
    llm = chat("llama")
    want = llm.invoke("The dog").content
    got = ""
    with each_pass(llm, breaking), pytest.raises(Broken):
        for chunk in llm.stream("The dog"):
            got += str(chunk.content)
    assert got
    assert str(want).startswith(got)


# Leaving


@kinds
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
    [whole] = engine.generate([request(prompt, max_new_tokens=60, **options)])[0]
    asked = request(prompt, max_new_tokens=60, **options)
    passes = itertools.count()
    hook = model.model.register_forward_pre_hook(lambda *_: asked.cancel.set() if next(passes) == 5 else None)
    [answer] = engine.generate([asked])[0]
    hook.remove()
    assert answer.finish_reason == "cancelled"
    assert len(answer.ids) < 12
    if not options:
        assert whole.ids[: len(answer.ids)] == answer.ids
        assert whole.text.startswith(answer.text)


# Others at work


def test_streams_side_by_side() -> None:
    llm = chat("llama")
    want = [llm.invoke(prompt).content for prompt in PROMPTS]
    streams = itertools.zip_longest(*(llm.stream(prompt) for prompt in PROMPTS))
    pieces = [[chunk.content if chunk else "" for chunk in step] for step in streams]
    assert ["".join(parts) for parts in zip(*pieces, strict=True)] == want


@pytest.mark.parametrize("name", ["llama", "mistral", "t5"])
async def test_threads_and_tasks_get_what_one_gets_alone(name: str) -> None:
    llm = chat(name)
    options: list[dict[str, Any]] = [{}, {"temperature": 1.2, "seed": 1}, {"num_beams": 2}, {"stop": ["e"]}]
    work = [(prompt, some) for prompt in PROMPTS for some in options]
    want = [comparable(llm.invoke(prompt, **some)) for prompt, some in work]
    begin = threading.Barrier(4)

    def turn(number: int) -> None:
        begin.wait()
        for at in range(number, len(work), 4):
            prompt, some = work[at]
            if number % 2 and "num_beams" not in some:
                assert comparable(joined(list(llm.stream(prompt, **some)))) == want[at]
            else:
                assert comparable(llm.invoke(prompt, **some)) == want[at]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(turn, range(4)))
    answers = await asyncio.gather(*(llm.ainvoke(prompt, **some) for prompt, some in work))
    assert [comparable(answer) for answer in answers] == want


def test_scores_and_answers_at_the_same_time() -> None:
    llm = chat("llama")
    answer, scores = llm.invoke(PROMPTS[0]).content, llm.score(PROMPTS, [" yes", " no"])

    def turn(number: int) -> None:
        if number % 2:
            assert llm.invoke(PROMPTS[0]).content == answer
        else:
            assert abs(llm.score(PROMPTS, [" yes", " no"]) - scores).max() < 1e-4

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(turn, range(12)))


def test_one_settings_object_serves_many() -> None:
    settings = GenerationSettings(max_new_tokens=3, temperature=0)
    model = tiny.make("llama")
    made = [HuggingFaceChat(model=model.model, tokenizer=model.tokenizer, settings=settings) for _ in range(2)]
    assert len({llm.invoke("Hi").content for llm in made}) == 1
    assert made[0].invoke("Hi", max_new_tokens=5).usage_metadata["output_tokens"] == 5
    assert made[0].settings == settings
