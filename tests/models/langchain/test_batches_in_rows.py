"""LangChain's methods over a model that decodes in the rows of a fixed cache."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from langchain_core.messages import HumanMessage

from llmkit import HuggingFaceChat
from llmkit.errors import GenerationError, GenerationTimeout
from llmkit.models.generation import row_step
from llmkit.models.generation.completion import Completion
from llmkit.models.generation.engine import Engine
from llmkit.models.weights.loading import from_objects
from tests.support import tiny
from tests.support.generation import encode_prompts, greedy_request
from tests.support.models import chat, comparable

TEXTS = ["Hi", "What is the capital of France?", "The dog " * 9, "東京", "def add(a, b):", "The quick brown fox", "x"]


@pytest.fixture(autouse=True, scope="module")
def small_steps() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_step, "ROWS", (1, 2, 4))
        patch.setattr(row_step, "FIRST_SLOTS", 32)
        yield


def chat_in_rows(**options: Any) -> HuggingFaceChat:
    model = tiny.make("llama")
    engine = Engine(from_objects(model.model, model.tokenizer, context_window=tiny.WINDOW), uses_rows=True)
    assert engine._row_decoder is not None
    assert engine._row_decoder.usable
    return HuggingFaceChat(model=engine, **{"temperature": 0, "max_new_tokens": 24, **options})


@pytest.mark.parametrize("method", ["batch", "abatch", "generate", "threads", "tasks", "as completed"])
def test_answers_are_those_of_a_model_without_rows(method: str) -> None:
    expected = [chat("llama").invoke(text) for text in TEXTS]
    llm = chat_in_rows()

    async def tasks() -> list[Any]:
        return await asyncio.gather(*(llm.ainvoke(text) for text in TEXTS))

    def threads() -> list[Any]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(llm.invoke, TEXTS))

    def generate() -> list[Any]:
        generations: Any = llm.generate([[HumanMessage(text)] for text in TEXTS]).generations
        return [one.message for [one] in generations]

    methods = {
        "batch": lambda: llm.batch(TEXTS),
        "abatch": lambda: asyncio.run(llm.abatch(TEXTS)),
        "generate": generate,
        "threads": threads,
        "tasks": lambda: asyncio.run(tasks()),
        "as completed": lambda: [answer for _, answer in sorted(llm.batch_as_completed(TEXTS), key=lambda one: one[0])],
    }
    assert [comparable(answer) for answer in methods[method]()] == [comparable(answer) for answer in expected]


@pytest.mark.parametrize("uses_rows", [True, False])
def test_a_completion_is_reported_while_others_are_decoded(uses_rows: bool) -> None:
    model = tiny.make("llama")
    engine = Engine(from_objects(model.model, model.tokenizer, context_window=tiny.WINDOW), uses_rows=uses_rows)
    requests = [
        greedy_request(prompt, max_new_tokens=30, stop=("a",) if index == 1 else ())
        for index, prompt in enumerate(encode_prompts(model))
    ]
    if not uses_rows:  # these have the same settings in a batch
        requests = [greedy_request(request.prompt, max_new_tokens=30) for request in requests]
    seen: list[tuple[int, list[Completion]]] = []
    groups = engine.generate(requests, lambda index, found: seen.append((index, found)))
    assert sorted(index for index, _ in seen) == list(range(len(requests)))
    assert all(groups[index] is found for index, found in seen)
    if uses_rows:
        assert seen[0][0] == 1, "it ends at a stop string"


def test_one_prompt_that_fails_does_not_fail_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [chat("llama").invoke(text).content for text in TEXTS]
    llm = chat_in_rows()
    bad = llm.engine.encoder.encode_messages([HumanMessage(TEXTS[3])])
    append = Completion.append

    def fail_for_one(self: Completion, *arguments: Any) -> Any:
        if list(self.request.prompt) == bad:
            raise GenerationError("this prompt fails")
        return append(self, *arguments)

    monkeypatch.setattr(Completion, "append", fail_for_one)
    answers = llm.batch(TEXTS, return_exceptions=True)
    assert isinstance(answers[3], GenerationError)
    contents = [answer if isinstance(answer, Exception) else answer.content for answer in answers]
    assert [*contents[:3], *contents[4:]] == [*expected[:3], *expected[4:]]


@pytest.mark.parametrize("most", [1, 2])
def test_a_lack_of_memory_halves_the_batch(most: int) -> None:
    expected = [chat("llama").invoke(text).content for text in TEXTS]
    llm = chat_in_rows()
    attempts: list[int] = []

    def check(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        rows = len(kwargs.get("input_ids", args[0] if args else None))
        attempts.append(rows)
        if rows > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. (a test)")

    hook = llm.engine.loaded.model.register_forward_pre_hook(check, with_kwargs=True)
    try:
        assert [answer.content for answer in llm.batch(TEXTS)] == expected
    finally:
        hook.remove()
    assert max(attempts) > most


def test_a_timeout_holds_in_rows() -> None:
    llm = chat_in_rows(timeout=1e-9)
    with pytest.raises(GenerationTimeout):
        llm.invoke(TEXTS[0])
    assert all(isinstance(answer, GenerationTimeout) for answer in llm.batch(TEXTS, return_exceptions=True))


def test_a_stream_and_a_batch_at_the_same_time_end_alike() -> None:
    expected = [chat("llama").invoke(text).content for text in TEXTS]
    llm = chat_in_rows()
    started, texts = threading.Event(), list[str]()

    def read_stream() -> None:
        for part in llm.stream(TEXTS[1]):
            texts.append(str(part.content))
            started.set()

    thread = threading.Thread(target=read_stream)
    thread.start()
    assert started.wait(60)
    assert [answer.content for answer in llm.batch(TEXTS)] == expected
    thread.join(60)
    assert "".join(texts) == expected[1]
