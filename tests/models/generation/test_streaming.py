"""The chunks of a stream join to the answer, and errors are raised at once."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from llmkit.errors import SettingsError
from tests.support.models import PROMPTS, architectures, chat, comparable, completion, each_pass, joined


@architectures
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


@architectures
async def test_a_streamed_completion_joins_to_the_completion(name: str) -> None:
    llm = completion(name)
    for prompt in PROMPTS:
        whole = llm.invoke(prompt)
        assert "".join(llm.stream(prompt)) == whole
        assert "".join([piece async for piece in llm.astream(prompt)]) == whole
        assert await llm.ainvoke(prompt) == whole


def test_reasoning_and_answer_are_streamed_separately() -> None:
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
        with each_pass(llm, breaking) as passes, pytest.raises(Broken, match="third pass"):
            call()
        assert passes[-1] <= 6
    for task in tasks:
        with each_pass(llm, breaking) as passes, pytest.raises(Broken, match="third pass"):
            await task()
        assert passes[-1] <= 6
    assert llm.invoke("The dog").content == want, "and the model goes on"


def test_a_stream_yields_what_came_before_the_error() -> None:
    llm = chat("llama")
    want = llm.invoke("The dog").content
    got = ""
    with each_pass(llm, breaking), pytest.raises(Broken):
        for chunk in llm.stream("The dog"):
            got += str(chunk.content)
    assert got
    assert str(want).startswith(got)
