"""A tiny model that was trained to repeat a count, so that a server of it passes the checks of `serving.probe`."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from langchain_core.messages import AIMessage, HumanMessage

from llmkit import HuggingFaceChat
from llmkit.models.served import ServedChat
from tests.support import tiny
from tests.support.model_server import model_server
from tests.support.model_server_formats import ModelServer
from tests.support.prompt_computer import Computer

NAME = "counting"
PROGRAMS = ("vllm", "old vllm", "sglang", "llama.cpp", "llama-cpp-python")
_STEPS = 60


@cache
def counting_llm() -> HuggingFaceChat:
    """Return the model in float32, always the same one."""
    untrained = tiny.make("llama")
    model = copy.deepcopy(untrained.model).float()
    llm = HuggingFaceChat(model, tokenizer=untrained.tokenizer, temperature=0, context_window=tiny.WINDOW)
    count = "one two three four five six seven eight"
    messages = [HumanMessage(f"Repeat: {count}"), AIMessage("one two three four five six")]
    encoder = llm.engine.encoder
    tokens = [*encoder.encode_messages(messages), *encoder.encode_continuation(" seven")]
    with torch.random.fork_rng():
        torch.manual_seed(7)
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(_STEPS):
            model(torch.tensor([tokens]), labels=torch.tensor([tokens])).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    llm.reset_caches()
    return llm


@cache
def _computer() -> Computer:
    return Computer(counting_llm())


@contextmanager
def counting_server(program: str = "vllm") -> Iterator[ModelServer]:
    """Serve the model in the wire format of a program."""
    with model_server(counting_llm(), program, NAME, _computer()) as server:
        server.window = tiny.WINDOW
        yield server


def served(server: ModelServer, **options: Any) -> ServedChat:
    """Return the served model, with the tokenizer of the very model."""
    tokenizer = options.pop("tokenizer", server.llm.engine.loaded.tokenizer)
    return ServedChat(server.url, NAME, **{"tokenizer": tokenizer, "temperature": 0, **options})
