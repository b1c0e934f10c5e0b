"""Callers that share rows get what each gets alone, whenever they come, pause and leave."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import cycle, islice
from typing import Any

import pytest

from llmkit.errors import GenerationError
from llmkit.models.generation import row_step
from llmkit.models.generation.row_decoder import RowDecoder
from tests.support.generation import (
    LENGTH,
    encode_prompts,
    forward_shapes,
    generate_alone,
    generate_together,
    greedy_request,
)
from tests.support.rows import OPTIONS, make, random_prompts, rows_engine, small_steps, tokens_of


@pytest.fixture(autouse=True, scope="module")
def few_rows() -> Iterator[None]:
    with small_steps():
        yield


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


def test_completions_that_made_way_are_computed_again_from_their_first_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_step, "ROWS", (1, 2))
    model = make("llama")
    engine = rows_engine(model)
    prompts = encode_prompts(model)[1:3]
    decoder = engine._row_decoder
    assert decoder is not None
    completions = [engine._new_completions(greedy_request(prompt))[0] for prompt in prompts]
    with closing(decoder.decode(completions)) as steps:
        next(steps)
        with closing(engine.stream(greedy_request(random_prompts(model, 1, 20)[0]))) as stream:
            next(stream)
        for _ in steps:
            pass
    assert [[one.token_ids] for one in completions] == [generate_alone(model.engine(), prompt) for prompt in prompts]


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
        for prompt, options in zip(cycle(encode_prompts(model)), list(OPTIONS.values())[3:], strict=False)
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
def test_callers_who_come_pause_and_leave_at_random_get_what_each_gets_alone() -> None:
    model = make("llama")
    engine, plain = rows_engine(model), model.engine()
    prompts = [*encode_prompts(model), *random_prompts(model, 6, 60)]
    chosen = [options for options in OPTIONS.values() if options.get("n", 1) == 1]
    pairs = [(prompt, options) for prompt in prompts for options in chosen]
    expected = [tokens_of(plain.generate([greedy_request(prompt, **options)])[0]) for prompt, options in pairs]

    def run(seed: int) -> int:
        numbers, streams = random.Random(seed), 0
        for _ in range(12):
            indices = [numbers.randrange(len(pairs)) for _ in range(numbers.randint(1, 9))]
            requests = [greedy_request(pairs[index][0], **pairs[index][1]) for index in indices]
            if numbers.random() < 0.4:
                assert list(map(tokens_of, engine.generate(requests))) == [expected[index] for index in indices]
                continue
            most = numbers.choice([numbers.randint(1, 20), 10_000])
            with closing(engine.stream(requests[0])) as stream:
                steps = list(islice(stream, most))
            if steps[-1][0].finish_reason:
                assert [steps[-1][0].token_ids] == expected[indices[0]]
                assert "".join(text for _, text in steps) == steps[-1][0].text
                streams += 1
        return streams

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(run, range(6))) > 0
    assert engine._row_decoder is not None
    assert not engine._row_decoder._callers
