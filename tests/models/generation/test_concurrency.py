"""Concurrent streams, threads and tasks get the same results as single calls."""

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


def test_interleaved_streams_equal_single_answers() -> None:
    llm = chat("llama")
    expected = [llm.invoke(prompt).content for prompt in PROMPTS]
    streams = itertools.zip_longest(*(llm.stream(prompt) for prompt in PROMPTS))
    pieces = [[chunk.content if chunk else "" for chunk in step] for step in streams]
    assert ["".join(parts) for parts in zip(*pieces, strict=True)] == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", tiny.fast_and_slow(["llama", "mistral", "t5"], {"llama"}))
async def test_threads_and_tasks_equal_single_answers(name: str) -> None:
    llm = chat(name)
    option_sets: list[dict[str, Any]] = [{}, {"temperature": 1.2, "seed": 1}, {"num_beams": 2}, {"stop": ["e"]}]
    work = [(prompt, options) for prompt in PROMPTS for options in option_sets]
    expected = [comparable(llm.invoke(prompt, **options)) for prompt, options in work]
    barrier = threading.Barrier(4)

    def run_thread(number: int) -> None:
        barrier.wait()
        for index in range(number, len(work), 4):
            prompt, options = work[index]
            if number % 2 and "num_beams" not in options:
                assert comparable(joined(list(llm.stream(prompt, **options)))) == expected[index]
            else:
                assert comparable(llm.invoke(prompt, **options)) == expected[index]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run_thread, range(4)))
    answers = await asyncio.gather(*(llm.ainvoke(prompt, **options) for prompt, options in work))
    assert [comparable(answer) for answer in answers] == expected


def test_concurrent_scores_and_answers_equal_single_calls() -> None:
    llm = chat("llama")
    answer, scores = llm.invoke(PROMPTS[0]).content, llm.score(PROMPTS, [" yes", " no"])

    def run_thread(number: int) -> None:
        if number % 2:
            assert llm.invoke(PROMPTS[0]).content == answer
        else:
            assert abs(llm.score(PROMPTS, [" yes", " no"]) - scores).max() < 1e-4

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run_thread, range(12)))


def test_two_models_can_share_a_settings_object() -> None:
    settings = GenerationSettings(max_new_tokens=3, temperature=0)
    model = tiny.make("llama")
    models = [HuggingFaceChat(model=model.model, tokenizer=model.tokenizer, settings=settings) for _ in range(2)]
    assert len({llm.invoke("Hi").content for llm in models}) == 1
    assert models[0].invoke("Hi", max_new_tokens=5).usage_metadata["output_tokens"] == 5
    assert models[0].settings == settings
