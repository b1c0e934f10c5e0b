"""Generate with an engine, one prompt at a time or in a batch, and record its forward passes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llmkit.models.generation.completion import GenerationRequest
from llmkit.models.generation.engine import Engine
from llmkit.models.generation.settings import GenerationSettings
from tests.support.tiny import Tiny

PROMPT_TEXTS = (
    "The",
    "What is the capital of France?",
    "def add(a, b):\n    return a + b\n\nfor i in range(10):",
    "東京 is the quick brown fox, and the dog sleeps on. The capital of France is Paris.",
    "What is the capital of Paris, the lazy dog",
)
LENGTH = 16
"""The default `max_new_tokens` of a request."""


def greedy_request(prompt: Sequence[int], **settings: Any) -> GenerationRequest:
    settings = {"temperature": 0.0, "max_new_tokens": LENGTH, **settings}
    return GenerationRequest(tuple(prompt), GenerationSettings(**settings))


def generate_alone(engine: Engine, prompt: Sequence[int], **settings: Any) -> list[list[int]]:
    return [answer.token_ids for answer in engine.generate([greedy_request(prompt, **settings)])[0]]


def generate_together(engine: Engine, prompts: Sequence[Sequence[int]], **settings: Any) -> list[list[list[int]]]:
    groups = engine.generate([greedy_request(prompt, **settings) for prompt in prompts])
    return [[answer.token_ids for answer in group] for group in groups]


def encode_prompts(model: Tiny) -> list[list[int]]:
    return [model.tokenizer.encode(text) for text in PROMPT_TEXTS]


@contextmanager
def forward_shapes(engine: Engine) -> Iterator[list[tuple[int, int]]]:
    """Record the shape `(rows, tokens)` of each forward pass's input."""
    shapes: list[tuple[int, int]] = []

    def record(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        input_ids: Any = kwargs.get("input_ids", args[0] if args else kwargs.get("decoder_input_ids"))
        shapes.append((input_ids.shape[0], input_ids.shape[1]))

    hook = engine.loaded.model.register_forward_pre_hook(record, with_kwargs=True)
    try:
        yield shapes
    finally:
        hook.remove()


@contextmanager
def forward_passes(engine: Engine) -> Iterator[list[tuple[int, tuple[int, ...]]]]:
    """Record, of each forward pass over one row, how many tokens are in the cache before it, and its tokens."""
    passes: list[tuple[int, tuple[int, ...]]] = []

    def record(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        input_ids, cache = kwargs.get("input_ids", args[0] if args else None), kwargs.get("cache")
        passes.append((0 if cache is None else cache.get_seq_length(), tuple(input_ids[0].tolist())))

    hook = engine.loaded.model.register_forward_pre_hook(record, with_kwargs=True)
    try:
        yield passes
    finally:
        hook.remove()
