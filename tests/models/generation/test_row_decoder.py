"""Completions decoded in the rows of a fixed cache are those of transformers, and those of each prompt alone."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation.logits_process import MinNewTokensLengthLogitsProcessor

from llmkit.models.cpu.int4_linear import pack_nothing
from llmkit.models.cpu.kernels import CpuKernels
from llmkit.models.fast.kernels import Kernels, PlainKernels
from llmkit.models.fast.llama import FastLlama
from llmkit.models.generation.completion import GenerationRequest
from llmkit.models.generation.engine import Engine
from llmkit.models.generation.settings import GenerationSettings
from llmkit.models.weights.loading import from_objects
from tests.support import tiny
from tests.support.generation import (
    LENGTH,
    encode_prompts,
    forward_shapes,
    generate_alone,
    generate_together,
    greedy_request,
)
from tests.support.rows import ARCHITECTURES, OPTIONS, make, random_prompts, rows_engine, small_steps, tokens_of
from tests.support.tiny import BODY, Tiny
from tests.support.tokenizers import chatml_tokenizer


@pytest.fixture(autouse=True, scope="module")
def few_rows() -> Iterator[None]:
    with small_steps():
        yield


@pytest.mark.parametrize("name", tiny.fast_and_slow(ARCHITECTURES, {"llama"}))
def test_greedy_completions_equal_those_of_transformers(name: str) -> None:
    base = make(name)
    prompts = [*encode_prompts(base), *random_prompts(base, 6, 40)]
    free = [base.reference(prompt, max_new_tokens=LENGTH)[0] for prompt in prompts]
    model = base.ending_at(*(row[min(at, len(row) - 1)] for row, at in zip(free, (3, 7, 12), strict=False)))
    expected = [model.reference(prompt, max_new_tokens=LENGTH) for prompt in prompts]
    assert len({len(rows[0]) for rows in expected}) > 1, "rows are done at different times"
    for looks_ahead in (True, False):
        engine = rows_engine(model, looks_ahead=looks_ahead)
        assert [generate_alone(engine, prompt) for prompt in prompts] == expected
        assert generate_together(engine, prompts) == expected
        engine = rows_engine(model, looks_ahead=looks_ahead)
        assert generate_together(engine, prompts) == expected, "with empty caches"


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("name", tiny.fast_and_slow(["llama", "gpt2", "qwen2"], {"llama"}))
def test_every_setting_holds_in_rows(name: str, options: dict[str, Any]) -> None:
    model = make(name)
    prompts = encode_prompts(model)
    expected = [generate_alone(model.engine(), prompt, **options) for prompt in prompts]
    engine = rows_engine(model)
    assert [generate_alone(engine, prompt, **options) for prompt in prompts] == expected
    assert generate_together(engine, prompts, **options) == expected


@pytest.mark.parametrize("kernels", [CpuKernels(pack_nothing), PlainKernels(fuses=False), PlainKernels(fuses=True)])
def test_the_fast_forward_pass_computes_rows(kernels: Kernels) -> None:
    model = tiny.build("Llama", chatml_tokenizer(), {**BODY, "num_hidden_layers": 3})
    base = Tiny(model, chatml_tokenizer())
    loaded = from_objects(model, base.tokenizer, context_window=tiny.WINDOW)
    engine = Engine(replace(loaded, fast_forward=FastLlama(model, kernels)), uses_rows=True)
    prompts = [*encode_prompts(base), *random_prompts(base, 4, 40)]
    with forward_shapes(engine) as shapes:
        assert generate_together(engine, prompts) == [
            base.reference(prompt, max_new_tokens=LENGTH) for prompt in prompts
        ]
    assert len(shapes) == len(prompts) * LENGTH, "only those of the reference"


def test_rows_with_other_settings_share_steps() -> None:
    model = make("llama")
    requests = [
        greedy_request(prompt, **options)
        for prompt, options in zip(encode_prompts(model) * 2, (*OPTIONS.values(), {}), strict=True)
    ]
    expected = [tokens_of(model.engine().generate([request])[0]) for request in requests]
    engine = rows_engine(model)
    assert list(engine.split_batches(requests)) == [list(range(len(requests)))]
    assert list(map(tokens_of, engine.generate(requests))) == expected


def test_texts_finish_reasons_and_log_probabilities_are_those_of_prompts_alone() -> None:
    model = make("llama")
    settings = GenerationSettings(temperature=0, max_new_tokens=LENGTH, stop=("e",))
    requests = [GenerationRequest(tuple(prompt), settings, logprobs=2) for prompt in encode_prompts(model)]
    found = rows_engine(model).generate(requests)
    for [completion], request in zip(found, requests, strict=True):
        [[alone]] = model.engine().generate([request])
        assert (completion.text, completion.finish_reason) == (alone.text, alone.finish_reason)
        assert [one.token_id for one in completion.logprobs] == [one.token_id for one in alone.logprobs]
        for one, other in zip(completion.logprobs, alone.logprobs, strict=True):
            assert one.logprob == pytest.approx(other.logprob, abs=1e-5)
            assert [token for token, _ in one.top] == [token for token, _ in other.top]


def test_constraints_hold_in_rows() -> None:
    model = make("llama")
    engine, plain = rows_engine(model), model.engine()
    schema = {"type": "object", "properties": {"name": {"enum": ["Paris", "fox"]}, "dog": {"type": "boolean"}}}
    schema["required"] = ["name", "dog"]

    def requests(owner: Engine) -> list[GenerationRequest]:
        constraint = owner.constraints.json_schema(schema)
        chosen = GenerationSettings(temperature=0, max_new_tokens=60)
        return [
            GenerationRequest(tuple(prompt), chosen, constraint if index % 2 else None)
            for index, prompt in enumerate(encode_prompts(model))
        ]

    expected = [plain.generate([request])[0][0].text for request in requests(plain)]
    assert [completion.text for [completion] in engine.generate(requests(engine))] == expected
    assert [engine.generate([request])[0][0].text for request in requests(engine)] == expected


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(1, 70), st.integers(1, 40), st.sampled_from([None, 1, 2])), min_size=1, max_size=9),
    st.integers(0, 3),
)
@settings(max_examples=25)
def test_any_lengths_and_any_order_of_finishing_give_the_completions_of_prompts_alone(
    rows: list[tuple[int, int, int | None]], shared: int
) -> None:
    model = make("llama")
    numbers = random.Random(len(rows))
    first = [numbers.randrange(5, 60) for _ in range(20 * shared)]
    requests = [
        greedy_request(
            [*first, *(numbers.randrange(5, 60) for _ in range(length))],
            max_new_tokens=limit,
            **({} if seed is None else {"temperature": 1.0, "seed": seed}),
        )
        for length, limit, seed in rows
    ]
    expected = [tokens_of(model.engine().generate([request])[0]) for request in requests]
    for looks_ahead in (True, False):
        engine = rows_engine(model, looks_ahead=looks_ahead)
        assert list(map(tokens_of, engine.generate(requests))) == expected


def test_looking_ahead_computes_each_step_once() -> None:
    model = make("llama")
    prompts = encode_prompts(model)[1:]
    for looks_ahead in (True, False):
        engine = rows_engine(model, looks_ahead=looks_ahead)
        with forward_shapes(engine) as shapes:
            generate_together(engine, prompts, min_new_tokens=LENGTH)
        assert sum(tokens == 1 for _, tokens in shapes) == LENGTH, "all rows go on together"


def test_ends_are_forbidden_in_all_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("llama")
    prompts = random_prompts(model, 4, 20)
    free = [model.reference(prompt, max_new_tokens=LENGTH)[0] for prompt in prompts]
    model, shapes = model.ending_at(*(row[at] for row, at in zip(free, (1, 2, 3, 4), strict=True))), list[int]()
    expected = [model.reference(prompt, max_new_tokens=LENGTH, min_new_tokens=3) for prompt in prompts]
    compute = MinNewTokensLengthLogitsProcessor.__call__

    def count(self: Any, input_ids: Any, scores: torch.Tensor) -> Any:
        shapes.append(len(scores))
        return compute(self, input_ids, scores)

    monkeypatch.setattr(MinNewTokensLengthLogitsProcessor, "__call__", count)
    assert generate_together(rows_engine(model), prompts, min_new_tokens=3) == expected
    assert shapes == [4, 4, 4]


def test_a_model_whose_data_type_changes_is_decoded_in_new_rows() -> None:
    model = Tiny(copy.deepcopy(make("llama").model), make("llama").tokenizer)
    engine = rows_engine(model)
    prompts = random_prompts(model, 3, 20)
    stream = engine.stream(greedy_request(prompts[0]))
    first = next(stream)[0]
    recorders = []
    for dtype in (torch.float64, torch.float32):
        model.model.to(dtype)
        expected = [model.reference(prompt, max_new_tokens=LENGTH) for prompt in prompts]
        assert generate_together(engine, prompts) == expected
        assert engine._row_decoder is not None
        recorders.append(engine._row_decoder._rows.steps._recorder)
    assert recorders[0] is not recorders[1], "a graph of the device that the model was on computes nothing"
    for _ in stream:  # which had begun before
        pass
    assert len(first.token_ids) == LENGTH
