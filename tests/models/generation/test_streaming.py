"""The chunks of a stream join to the answer, and errors are raised at once."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from llmkit.errors import SettingsError
from tests.support.models import PROMPTS, architectures, chat, comparable, completion, each_pass, joined


@pytest.mark.slow
@architectures
@pytest.mark.parametrize("options", [{}, {"temperature": 1.1, "seed": 3, "logprobs": 2}], ids=["greedy", "drawn"])
async def test_a_stream_joins_to_the_answer(name: str, options: dict[str, Any]) -> None:
    llm = chat(name)
    for prompt in PROMPTS:
        answer = llm.invoke(prompt, **options)
        assert isinstance(answer.content, str)
        middle = answer.content[len(answer.content) // 2 :][:3]
        for stop in (None, [middle], ["zz", middle[:1]]) if middle else (None,):
            expected = comparable(llm.invoke(prompt, stop=stop, **options))
            assert comparable(joined(list(llm.stream(prompt, stop=stop, **options)))) == expected
            assert comparable(joined([chunk async for chunk in llm.astream(prompt, stop=stop, **options)])) == expected
            assert comparable(await llm.ainvoke(prompt, stop=stop, **options)) == expected
            if stop:
                assert expected["content"] == answer.content[: answer.content.index(stop[-1])]
                assert expected["meta"]["finish_reason"] == "stop"


@architectures
async def test_a_streamed_completion_joins_to_the_completion(name: str) -> None:
    llm = completion(name)
    for prompt in PROMPTS:
        answer = llm.invoke(prompt)
        assert "".join(llm.stream(prompt)) == answer
        assert "".join([piece async for piece in llm.astream(prompt)]) == answer
        assert await llm.ainvoke(prompt) == answer


def test_reasoning_and_answer_are_streamed_separately() -> None:
    llm = chat("qwen3")
    pattern = {"type": "regex", "pattern": r"<think>\n[a-z]{3}\n</think>\n\n[A-Z]{4}"}
    chunks = list(llm.stream("Hi", response_format=pattern))
    answer = llm.invoke("Hi", response_format=pattern)
    assert comparable(joined(chunks)) == comparable(answer)
    assert len(answer.content) == 4
    assert len(answer.additional_kwargs["reasoning_content"].strip()) == 3
    blocks = [block["type"] for block in answer.content_blocks]
    assert blocks == ["reasoning", "text"]
    opened = llm.invoke("Hi", chat_template_kwargs={"enable_thinking": True}, max_new_tokens=8)
    assert opened.content == ""
    assert opened.additional_kwargs["reasoning_content"]


@pytest.mark.parametrize(
    ("options", "message"), [({"num_beams": 2}, "num_beams is 2"), ({"n": 2, "temperature": 1}, "n is 2")]
)
async def test_settings_that_cannot_be_streamed_raise_settings_error(options: dict[str, Any], message: str) -> None:
    llm = chat("llama")
    with pytest.raises(SettingsError, match=message):
        list(llm.stream("Hi", **options))
    with pytest.raises(SettingsError, match=message):
        [chunk async for chunk in llm.astream("Hi", **options)]


# Errors


class Broken(Exception):
    """An error that a model might raise."""


def breaking(number: int) -> None:
    if number >= 3:
        raise Broken("in the third pass")


@pytest.mark.parametrize("name", ["llama", "t5"])
async def test_an_error_inside_the_model_reaches_the_caller_at_once(name: str) -> None:
    llm = chat(name)
    expected = llm.invoke("The dog").content

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
    assert llm.invoke("The dog").content == expected, "and the model goes on"


def test_a_stream_yields_what_came_before_the_error() -> None:
    llm = chat("llama")
    expected = llm.invoke("The dog").content
    streamed = ""
    with each_pass(llm, breaking), pytest.raises(Broken):
        for chunk in llm.stream("The dog"):
            streamed += str(chunk.content)
    assert streamed
    assert str(expected).startswith(streamed)
