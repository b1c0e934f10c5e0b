"""Tiny models as public classes, and hooks into their forward passes."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from llmkit import HuggingFaceChat, HuggingFaceLLM
from tests.support import tiny

PROMPTS = ("What is the capital of France?", "The dog", "東京 is the quick brown fox " * 3, "def add(a, b):")
PROMPT = PROMPTS[0]
LENGTH = 24

architectures = pytest.mark.parametrize(
    "name", tiny.fast_and_slow(["llama", "mistral", "mamba", "t5", "bart"], {"llama", "bart"})
)
attention_architectures = pytest.mark.parametrize(
    "name", tiny.fast_and_slow(["llama", "gpt_neox", "mistral", "t5", "bart"], {"llama", "bart"})
)


def chat(name: str, **options: Any) -> HuggingFaceChat:
    model = tiny.make(name)
    options = {"temperature": 0, "max_new_tokens": LENGTH, "context_window": tiny.WINDOW, **options}
    return HuggingFaceChat(model=model.model, tokenizer=model.tokenizer, **options)


def completion(name: str, **options: Any) -> HuggingFaceLLM:
    model = tiny.make(name)
    options = {"temperature": 0, "max_new_tokens": LENGTH, "context_window": tiny.WINDOW, **options}
    return HuggingFaceLLM(model=model.model, tokenizer=model.tokenizer, **options)


def prompt_ids(llm: HuggingFaceChat | HuggingFaceLLM, text: str) -> list[int]:
    """Return the tokens of a prompt as the model receives them."""
    encoder = llm.engine.encoder
    return (
        encoder.encode_messages([HumanMessage(text)]) if isinstance(llm, HuggingFaceChat) else encoder.encode_text(text)
    )


def joined(chunks: list[Any]) -> Any:
    return sum(chunks[1:], chunks[0])


def comparable(message: Any) -> dict[str, Any]:
    """Return the parts of an answer that must be equal for the same prompt."""
    meta = {key: value for key, value in message.response_metadata.items() if key != "timings"}
    return {
        "content": message.content,
        "usage": message.usage_metadata,
        "meta": meta,
        "more": message.additional_kwargs,
        "calls": [(call["name"], call["args"]) for call in message.tool_calls],
    }


@contextmanager
def each_pass(llm: Any, act: Callable[[int], None] = lambda number: None) -> Iterator[list[int]]:
    """Call a function before each forward pass with its number, from 1; yield the numbers of all passes so far."""
    passes: list[int] = []

    def before(*_: object) -> None:
        passes.append(len(passes) + 1)
        act(passes[-1])

    hook = llm.engine.loaded.model.register_forward_pre_hook(before)
    try:
        yield passes
    finally:
        hook.remove()


class Pause:
    """Pauses a model before a forward pass: `reached` is set when it pauses, and setting `proceed` resumes it."""

    def __init__(self, number: int = 3) -> None:
        self.reached, self.proceed = threading.Event(), threading.Event()
        self._number = number

    def __call__(self, number: int) -> None:
        if number == self._number:
            self.reached.set()
            assert self.proceed.wait(60), "the test did not resume the model"


async def threads_are_done() -> None:
    """Wait until no thread of the running event loop computes any more."""
    loop = asyncio.get_running_loop()
    await loop.shutdown_default_executor()
