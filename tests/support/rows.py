"""Engines that decode in the rows of a fixed cache, with small steps, and what to decode."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest

from llmkit.models.generation import row_step, row_table
from llmkit.models.generation.completion import Completion
from llmkit.models.generation.engine import Engine
from llmkit.models.weights.loading import from_objects
from tests.support import tiny
from tests.support.tiny import BODY, Tiny
from tests.support.tokenizers import chatml_tokenizer, inst_tokenizer, qwen_tokenizer, turns_tokenizer

OTHERS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "qwen2": ("Qwen2", qwen_tokenizer, BODY),
    "gemma": ("Gemma", turns_tokenizer, {**BODY, "hidden_act": "gelu_pytorch_tanh"}),
    "mistral": ("Mistral", inst_tokenizer, {**BODY, "sliding_window": None}),
    "phi": ("Phi", chatml_tokenizer, {**BODY, "num_key_value_heads": 4, "partial_rotary_factor": 0.5}),
    "olmo2": ("Olmo2", chatml_tokenizer, BODY),
}
ARCHITECTURES = ["llama", "qwen3", "gpt2", "opt", "gpt_neox", *OTHERS]
SEED = 5

OPTIONS: dict[str, dict[str, Any]] = {
    "sampled": {"temperature": 0.9, "seed": SEED},
    "sampled twice": {"temperature": 1.0, "seed": SEED, "n": 2},
    "warped": {"temperature": 0.7, "top_k": 9, "top_p": 0.8, "min_p": 0.02, "seed": SEED},
    "stopped": {"stop": ("a", "e")},
    "penalties": {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "min_new_tokens": 5},
    "sampled with penalties": {"temperature": 0.8, "repetition_penalty": 1.2, "presence_penalty": 0.5, "seed": SEED},
    "at least some tokens": {"min_new_tokens": 9},
    "presence": {"presence_penalty": 0.6, "frequency_penalty": 0.4},
    "long": {"max_new_tokens": 60},
}


@cache
def make(name: str) -> Tiny:
    if name not in OTHERS:
        return tiny.make(name)
    class_name, make_tokenizer, values = OTHERS[name]
    return Tiny(tiny.build(class_name, make_tokenizer(), values).double(), make_tokenizer())


def rows_engine(model: Tiny, *, looks_ahead: bool = True) -> Engine:
    engine = Engine(from_objects(model.model, model.tokenizer, context_window=tiny.WINDOW), uses_rows=True)
    assert engine._row_decoder is not None
    assert engine._row_decoder.usable
    engine._row_decoder._rows.looks_ahead = looks_ahead  # as on a GPU
    return engine


@contextmanager
def small_steps() -> Iterator[None]:
    """Let steps have few rows and slots, so that they are refilled and grow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_step, "ROWS", (1, 2, 4))
        patch.setattr(row_step, "FIRST_SLOTS", 16)
        patch.setattr(row_table, "_OVERSIZED_STEPS", 5)
        yield


def random_prompts(model: Tiny, count: int, longest: int, seed: int = 3) -> list[list[int]]:
    numbers = random.Random(seed)
    size = len(model.tokenizer)
    return [[numbers.randrange(5, size) for _ in range(numbers.randint(1, longest))] for _ in range(count)]


def tokens_of(completions: Sequence[Completion]) -> list[list[int]]:
    return [completion.token_ids for completion in completions]
