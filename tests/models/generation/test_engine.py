"""Completions equal those of transformers, token by token: alone, in a batch, and with cached prefixes."""

from itertools import pairwise
from typing import Any

import pytest

from llmkit.models.generation.completion import Completion, GenerationRequest
from llmkit.models.generation.settings import GenerationSettings
from llmkit.models.kv_cache.pass_ends import pass_ends
from tests.support import tiny
from tests.support.generation import (
    LENGTH,
    PROMPT_TEXTS,
    encode_prompts,
    forward_shapes,
    generate_alone,
    generate_together,
    greedy_request,
)
from tests.support.tiny import Tiny

croppable_architectures = pytest.mark.parametrize(
    "name", ["llama", "qwen3", "gpt2", "opt", "gpt_neox", "falcon", "bloom"]
)


def with_early_end_tokens(model: Tiny) -> Tiny:
    """Return the model with end tokens that make its answers to the prompts differ in length."""
    free = [model.reference(prompt, max_new_tokens=LENGTH)[0] for prompt in encode_prompts(model)]
    return model.ending_at(*(row[min(at, len(row) - 1)] for row, at in zip(free, (3, 7, 12), strict=False)))


@tiny.every_architecture
def test_greedy_completions_equal_those_of_transformers(name: str) -> None:
    model = with_early_end_tokens(tiny.make(name))
    prompts = encode_prompts(model)
    expected = [model.reference(prompt, max_new_tokens=LENGTH) for prompt in prompts]
    assert len({len(rows[0]) for rows in expected}) > 1
    engine = model.engine()
    assert [generate_alone(engine, prompt) for prompt in prompts] == expected
    assert [generate_alone(engine, prompt) for prompt in prompts] == expected, "with the caches of the first calls"
    assert generate_together(engine, prompts) == expected
    assert generate_together(model.engine(), prompts) == expected, "with empty caches"
    assert generate_together(engine, prompts[1:2] * 3) == expected[1:2] * 3, "the same prompt three times"


@pytest.mark.slow
@tiny.every_architecture
@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 3, "n": 2},
        {"num_beams": 2, "repetition_penalty": 1.3, "length_penalty": 2.0},
        {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "min_new_tokens": 5},
    ],
    ids=["beams", "beams and penalty", "penalties"],
)
def test_beams_and_penalties_equal_those_of_transformers(name: str, options: dict[str, Any]) -> None:
    model = with_early_end_tokens(tiny.make(name))
    prompts = encode_prompts(model)[:3]
    options = {"max_new_tokens": 10, **options}
    transformers_options = {"num_return_sequences" if key == "n" else key: value for key, value in options.items()}
    expected = [model.reference(prompt, **transformers_options) for prompt in prompts]
    engine = model.engine()
    assert [generate_alone(engine, prompt, **options) for prompt in prompts] == expected
    assert generate_together(engine, prompts, **options) == expected


@tiny.every_architecture
def test_a_growing_conversation_computes_no_block_again(name: str) -> None:
    model = tiny.make(name)
    engine, known = model.engine(), 0
    size = engine.prefix_cache.block_tokens
    prompt = model.tokenizer.encode("The dog sleeps. What is the capital of France?")
    added = model.tokenizer.encode(" And on and on?", add_special_tokens=False)
    for _ in range(3):
        expected = model.reference(prompt, max_new_tokens=6)
        with forward_shapes(engine) as shapes:
            assert generate_alone(engine, prompt, max_new_tokens=6) == expected
        if engine.prefix_cache.usable:
            ends = [*pass_ends(prompt, size), len(prompt)]
            new = [(1, end - start) for start, end in pairwise(ends) if end > known]
            assert shapes[: len(new)] == new
            known = ends[-2]
        prompt = [*prompt, *expected[0], *added]


@croppable_architectures
def test_a_common_prefix_is_computed_once(name: str) -> None:
    model = tiny.make(name)
    shared = model.tokenizer.encode("The quick brown fox jumps over the lazy dog. " * 4)
    prompts = [[*shared, *model.tokenizer.encode(text)] for text in PROMPT_TEXTS]
    engine = model.engine()
    engine.prefix_cache.block_tokens = len(shared)
    expected = [model.reference(prompt, max_new_tokens=4) for prompt in prompts]
    with forward_shapes(engine) as shapes:
        assert generate_together(engine, prompts, max_new_tokens=4) == expected
    longest = max(map(len, prompts))
    assert shapes[0] == (1, len(shared))
    assert shapes[1] == (len(prompts), longest - len(shared))


def test_use_cache_false_is_overridden() -> None:
    base = tiny.make("llama")
    model = base.ending_at()
    prompt = encode_prompts(model)[2]
    expected = base.reference(prompt, max_new_tokens=LENGTH)
    model.model.generation_config.use_cache = False
    engine = model.engine()
    engine.prefix_cache.block_tokens = len(prompt)
    with forward_shapes(engine) as shapes:
        assert generate_alone(engine, prompt) == expected
    assert shapes[1:] == [(1, 1)] * (LENGTH - 1)
    assert model.model.generation_config.use_cache is False


def test_finished_rows_are_dropped() -> None:
    model = with_early_end_tokens(tiny.make("llama"))
    prompts = encode_prompts(model)
    engine = model.engine()
    with forward_shapes(engine) as shapes:
        lengths = sorted(len(rows[0]) for rows in generate_together(engine, prompts))
    assert shapes[0][0] == len(prompts)
    assert shapes[-1][0] < len(prompts)
    assert len(shapes) == lengths[-1]


@tiny.every_architecture
def test_a_stream_equals_the_completion(name: str) -> None:
    model = with_early_end_tokens(tiny.make(name))
    engine = model.engine()
    for prompt in encode_prompts(model)[:3]:
        [answer] = engine.generate([greedy_request(prompt)])[0]
        steps = list(engine.stream(greedy_request(prompt)))
        streamed: Completion = steps[-1][0]
        assert streamed.token_ids == answer.token_ids
        assert "".join(text for _, text in steps) == answer.text == streamed.text
        assert (
            streamed.finish_reason == answer.finish_reason == ("stop" if len(answer.token_ids) < LENGTH else "length")
        )


def test_the_generation_config_applies_and_is_not_changed() -> None:
    model = tiny.make("llama").ending_at()
    prompt = encode_prompts(model)[1]
    generation_config = model.model.generation_config
    generation_config.repetition_penalty, generation_config.max_new_tokens = 1.5, 5
    before = generation_config.to_dict()
    engine = model.engine()
    expected = model.reference(prompt)
    token_ids = engine.generate([GenerationRequest(tuple(prompt), GenerationSettings())])[0][0].token_ids
    assert token_ids == expected[0]
    assert len(token_ids) == 5
    engine.generate([greedy_request(prompt, temperature=0.7, top_k=5, max_new_tokens=2)])
    assert generation_config.to_dict() == before
