"""Concurrent streams, threads and tasks get the same results as alone."""

import asyncio
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from llmkit import HuggingFaceChat
from llmkit.models.generation.settings import GenerationSettings
from tests.support import tiny
from tests.support.models import PROMPTS, chat, comparable, joined


def test_interleaved_streams() -> None:
    llm = chat("llama")
    want = [llm.invoke(prompt).content for prompt in PROMPTS]
    streams = itertools.zip_longest(*(llm.stream(prompt) for prompt in PROMPTS))
    pieces = [[chunk.content if chunk else "" for chunk in step] for step in streams]
    assert ["".join(parts) for parts in zip(*pieces, strict=True)] == want


@pytest.mark.parametrize("name", tiny.fast_and_slow(["llama", "mistral", "t5"], {"llama"}))
async def test_threads_and_tasks(name: str) -> None:
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


def test_concurrent_scores_and_answers() -> None:
    llm = chat("llama")
    answer, scores = llm.invoke(PROMPTS[0]).content, llm.score(PROMPTS, [" yes", " no"])

    def turn(number: int) -> None:
        if number % 2:
            assert llm.invoke(PROMPTS[0]).content == answer
        else:
            assert abs(llm.score(PROMPTS, [" yes", " no"]) - scores).max() < 1e-4

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(turn, range(12)))


def test_models_may_share_settings() -> None:
    settings = GenerationSettings(max_new_tokens=3, temperature=0)
    model = tiny.make("llama")
    made = [HuggingFaceChat(model=model.model, tokenizer=model.tokenizer, settings=settings) for _ in range(2)]
    assert len({llm.invoke("Hi").content for llm in made}) == 1
    assert made[0].invoke("Hi", max_new_tokens=5).usage_metadata["output_tokens"] == 5
    assert made[0].settings == settings
