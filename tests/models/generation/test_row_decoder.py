"""Completions decoded in the rows of a fixed cache are those of transformers, and those of each prompt alone."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage

from llmkit import HuggingFaceChat
from llmkit.errors import GenerationError
from llmkit.models.cpu.int4_linear import pack_nothing
from llmkit.models.cpu.kernels import CpuKernels
from llmkit.models.fast.kernels import Kernels, PlainKernels
from llmkit.models.fast.llama import FastLlama
from llmkit.models.generation import row_step, row_table
from llmkit.models.generation.completion import Completion, GenerationRequest
from llmkit.models.generation.engine import Engine
from llmkit.models.generation.row_decoder import RowDecoder
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


@pytest.fixture(autouse=True, scope="module")
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


@pytest.mark.parametrize("name", ["falcon", "bloom", "mamba", "gemma2", "t5"])
def test_other_architectures_are_decoded_without_rows(name: str) -> None:
    model = tiny.make(name)
    engine = Engine(from_objects(model.model, model.tokenizer, context_window=tiny.WINDOW), uses_rows=True)
    assert engine._row_decoder is not None
    assert not engine._row_decoder.usable
    prompts = encode_prompts(model)[:2]
    assert generate_together(engine, prompts) == [model.reference(prompt, max_new_tokens=LENGTH) for prompt in prompts]


OPTIONS: dict[str, dict[str, Any]] = {
    "sampled": {"temperature": 0.9, "seed": SEED},
    "sampled twice": {"temperature": 1.0, "seed": SEED, "n": 2},
    "warped": {"temperature": 0.7, "top_k": 9, "top_p": 0.8, "min_p": 0.02, "seed": SEED},
    "stopped": {"stop": ("a", "e")},
    "penalties": {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "min_new_tokens": 5},
    "sampled with penalties": {"temperature": 0.8, "repetition_penalty": 1.2, "presence_penalty": 0.5, "seed": SEED},
    "presence": {"presence_penalty": 0.6, "frequency_penalty": 0.4},
    "long": {"max_new_tokens": 60},
}


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
        for prompt, options in zip(encode_prompts(model) * 2, (*OPTIONS.values(), {}, {}), strict=True)
    ]
    expected = [tokens_of(model.engine().generate([request])[0]) for request in requests]
    engine = rows_engine(model)
    assert list(engine.split_batches(requests)) == [list(range(len(requests)))]
    assert list(map(tokens_of, engine.generate(requests))) == expected


def tokens_of(completions: Sequence[Completion]) -> list[list[int]]:
    return [completion.token_ids for completion in completions]


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


def test_a_stream_that_is_closed_gives_up_its_row() -> None:
    model = make("llama")
    engine = rows_engine(model)
    prompts = encode_prompts(model)
    with closing(engine.stream(greedy_request(prompts[1], max_new_tokens=200))) as stream:
        for _ in range(3):
            next(stream)
    expected = [generate_alone(model.engine(), prompt) for prompt in prompts]
    assert generate_together(engine, prompts) == expected
    assert engine._row_decoder is not None
    assert not engine._row_decoder._callers


def test_a_stream_that_pauses_keeps_its_row_while_others_go_on() -> None:
    model = make("llama")
    engine = rows_engine(model)
    prompts = encode_prompts(model)
    expected = [generate_alone(model.engine(), prompt, max_new_tokens=40) for prompt in prompts]
    stream = engine.stream(greedy_request(prompts[1], max_new_tokens=40))
    first = next(stream)[0]
    assert generate_together(engine, prompts, max_new_tokens=40) == expected
    for _ in stream:
        pass
    assert [first.token_ids] == expected[1]


def test_a_stream_that_pauses_makes_way_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_step, "ROWS", (1,))
    model = make("llama")
    engine = rows_engine(model)
    prompts = encode_prompts(model)
    for options in (OPTIONS["sampled"], OPTIONS["penalties"], OPTIONS["presence"]):
        expected = [generate_alone(model.engine(), prompt, **options) for prompt in prompts]
        stream = engine.stream(greedy_request(prompts[1], **options))
        completion, _ = next(stream)
        next(stream)
        assert generate_together(engine, prompts, **options) == expected
        for _ in stream:
            pass
        assert [completion.token_ids] == expected[1]


class FakeMemory:
    """A device's memory of a fixed size."""

    def __init__(self, size: int) -> None:
        self.size = size

    def free(self) -> int:
        return self.size

    def start_measuring(self) -> int:
        return 0

    def peak(self) -> int:
        return 0


@pytest.mark.parametrize(("size", "most"), [(2**30, 4), (2**17, 2), (0, 1)])
def test_rows_are_as_many_as_the_memory_holds(size: int, most: int) -> None:
    model = make("llama")
    engine = rows_engine(model)
    memory = FakeMemory(size)
    engine._row_decoder = decoder = RowDecoder(engine.loaded, engine.prefix_cache, memory, engine._settings_config)
    assert decoder.usable
    prompts = encode_prompts(model)
    expected = [model.reference(prompt, max_new_tokens=LENGTH) for prompt in prompts]
    for _ in range(2):
        with forward_shapes(engine) as shapes:
            assert generate_together(engine, prompts) == expected
    assert max(rows for rows, tokens in shapes if tokens == 1) == most


def test_cancelled_prompts_end_without_those_of_others() -> None:
    model = make("llama")
    requests = [greedy_request(prompt) for prompt in encode_prompts(model) * 2]
    requests[0].cancel.set()
    requests[7].cancel.set()
    found = rows_engine(model).generate(requests)
    reasons = [completion.finish_reason for [completion] in found]
    assert [index for index, reason in enumerate(reasons) if reason == "cancelled"] == [0, 7]
    expected = generate_alone(model.engine(), requests[1].prompt)
    assert tokens_of(found[1]) == expected


def test_callers_in_threads_get_what_each_gets_alone() -> None:
    model = make("llama")
    engine = rows_engine(model)
    requests = [
        greedy_request(prompt, **options)
        for prompt, options in zip(encode_prompts(model), list(OPTIONS.values())[3:], strict=True)
    ]
    expected = [tokens_of(model.engine().generate([request])[0]) for request in requests]
    barrier = threading.Barrier(len(requests))

    def run(index: int) -> list[list[list[int]]]:
        barrier.wait()
        return [tokens_of(engine.generate([requests[index]])[0]) for _ in range(4)]

    with ThreadPoolExecutor(len(requests)) as pool:
        assert list(pool.map(run, range(len(requests)))) == [[tokens] * 4 for tokens in expected]


def test_an_error_of_one_caller_reaches_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("llama")
    engine = rows_engine(model)
    prompts = encode_prompts(model)
    expected = generate_alone(model.engine(), prompts[0])
    stream = engine.stream(greedy_request(prompts[0]))
    completion, _ = next(stream)
    decoder = engine._row_decoder
    assert decoder is not None
    with monkeypatch.context() as patch:
        patch.setattr(decoder._prefill, "compute", fail)
        with pytest.raises(GenerationError, match="no reason"):
            generate_together(engine, prompts)
    for _ in stream:
        pass
    assert [completion.token_ids] == expected
    assert generate_together(engine, prompts[:1]) == [expected]


def fail(*_: Any) -> Any:
    raise GenerationError("no reason")


@pytest.mark.slow
def test_the_default_model_computes_in_rows_what_transformers_does(default_llm: HuggingFaceChat) -> None:
    loaded = default_llm.engine.loaded
    engine = Engine(loaded, uses_rows=True)
    questions = [
        "Name a colour.",
        "What is a telescope, and who built the first one?",
        "Say hello.",
        "Why is snow white?",
    ]
    prompts = [default_llm.engine.encoder.encode_messages([HumanMessage(question)]) for question in questions]
    expected = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        row = loaded.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24)
        expected.append([row[0, len(prompt) :].tolist()])
    assert generate_together(engine, prompts, max_new_tokens=24) == expected
    assert [generate_alone(engine, prompt, max_new_tokens=24) for prompt in prompts] == expected
    sampled = {"temperature": 0.8, "n": 2, "seed": SEED, "max_new_tokens": 12}
    alone = [generate_alone(default_llm.engine, prompt, **sampled) for prompt in prompts]
    assert generate_together(engine, prompts, **sampled) == alone


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("is_fast", [True, False])
def test_rounding_does_not_hide_that_a_model_can_use_rows(
    default_model_folder: Path, dtype: torch.dtype, is_fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(dtype).removeprefix("torch.")
    loaded = HuggingFaceChat(model=str(default_model_folder), device="cpu", dtype=name).engine.loaded
    fast = FastLlama(loaded.model, PlainKernels(fuses=True)) if is_fast else None
    loaded = replace(loaded, fast_forward=fast)
    assert row_step.can_use_rows(loaded)
    logits = row_step.RowStep.logits
    monkeypatch.setattr(
        row_step.RowStep,
        "logits",
        lambda self, tokens, positions: logits(self, tokens, [position + 1 for position in positions]),
    )
    assert not row_step.can_use_rows(loaded), "positions that are one too high"
