"""A recorded pass is made once and again when the weights change; where it cannot be made, decoding goes on."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from llmkit.models.fast.kernels import PlainKernels
from llmkit.models.fast.llama import FastLlama
from llmkit.models.generation.captured_pass import CapturedPass, Recorder, Recording
from llmkit.models.generation.engine import Engine
from llmkit.models.generation.row_prefill import Prefill
from llmkit.models.generation.row_step import RowStep
from llmkit.models.kv_cache.prefix_cache import PrefixCache
from llmkit.models.weights.loading import from_objects
from tests.support import tiny
from tests.support.generation import encode_prompts, generate_together
from tests.support.tokenizers import chatml_tokenizer


class FakeGraph:
    def __init__(self, compute: Callable[[], torch.Tensor], result: torch.Tensor, scale: float = 1.0) -> None:
        self._compute, self._result, self._scale = compute, result, scale

    def replay(self) -> None:
        """Compute into the tensor of the recorded pass, as a graph does."""
        self._result.copy_(self._compute() * self._scale)


class FakeRecorder(Recorder):
    """Records on a CPU what a graph would compute on a GPU, or fails as it would."""

    def __init__(self, error: Exception | None = None, scale: float = 1.0) -> None:
        super().__init__(torch.device("cpu"))
        self.is_usable, self.error, self.scale, self.count = True, error, scale, 0

    def _record(self, compute: Callable[[], torch.Tensor]) -> Recording:
        self.count += 1
        if self.error:
            raise self.error
        result = compute().clone()
        return Recording(FakeGraph(compute, result, self.scale), result)


def rows_engine(recorder: Recorder) -> Engine:
    model = tiny.make("llama")
    engine = Engine(from_objects(model.model, model.tokenizer, context_window=tiny.WINDOW), uses_rows=True)
    assert engine._row_decoder is not None
    engine._row_decoder._rows.steps._recorder = recorder
    return engine


def expected() -> list[list[list[int]]]:
    model = tiny.make("llama")
    return [model.reference(prompt, max_new_tokens=16) for prompt in encode_prompts(model)]


def test_a_step_of_each_size_is_recorded_once() -> None:
    recorder = FakeRecorder()
    engine = rows_engine(recorder)
    prompts = encode_prompts(tiny.make("llama"))
    counts = []
    for _ in range(2):
        for chosen in (prompts, prompts[:1]):
            assert generate_together(engine, chosen) == expected()[: len(chosen)]
        counts.append(recorder.count)
    assert counts[0] > 1, "steps of several rows, and of one"
    assert counts[1] == counts[0]


def test_a_change_of_the_weights_is_recorded_anew() -> None:
    recorder, passes = FakeRecorder(), list[float]()
    model = tiny.make("llama")
    loaded = from_objects(model.model, model.tokenizer, context_window=tiny.WINDOW)

    def compute() -> torch.Tensor:
        passes.append(0.0)
        return torch.arange(4.0)[None]

    captured = CapturedPass(loaded, compute, recorder)
    for count in (1, 1):
        captured()
        assert recorder.count == count
    loaded.mark_weights_changed()
    captured()
    assert recorder.count == 2


FAILURES = {
    "operation not permitted when stream is capturing": FakeRecorder(
        RuntimeError("operation not permitted when stream is capturing\nCUDA kernel errors")
    ),
    "it computes other results": FakeRecorder(scale=-1.0),
}


@pytest.mark.parametrize("reason", FAILURES)
def test_where_nothing_can_be_recorded_one_warning_says_why(reason: str, caplog: pytest.LogCaptureFixture) -> None:
    recorder = FAILURES[reason]
    engine = rows_engine(recorder)
    with caplog.at_level(logging.WARNING, "llmkit"):
        for _ in range(2):
            assert generate_together(engine, encode_prompts(tiny.make("llama"))) == expected()
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("llmkit")]
    message = f"decoding is slower than it could be: a step cannot be recorded as a CUDA graph ({reason})"
    assert messages == [message]
    assert recorder.count == 1


def test_a_lack_of_memory_is_an_error_of_the_batch() -> None:
    recorder = FakeRecorder(torch.OutOfMemoryError("CUDA out of memory"))
    engine: Any = rows_engine(recorder)
    with pytest.raises(Exception, match="need more memory"):
        generate_together(engine, encode_prompts(tiny.make("llama")))
    recorder.error = None
    assert generate_together(engine, encode_prompts(tiny.make("llama"))) == expected()


def test_nothing_is_recorded_on_a_cpu() -> None:
    assert not Recorder(torch.device("cpu")).is_usable


@pytest.mark.parametrize("name", ["llama", "gpt2", "qwen3", "opt", "gpt_neox"])
def test_a_step_reads_no_value_and_no_other_device(name: str) -> None:
    model = copy.deepcopy(tiny.make(name).model).to("meta")  # where no tensor has values
    assert step_logits(model, None).shape == (4, model.config.vocab_size)


@pytest.mark.parametrize("fuses", [True, False])
def test_a_fast_step_reads_no_value_and_no_other_device(fuses: bool) -> None:
    model = tiny.build("Llama", chatml_tokenizer(), tiny.BODY).to("meta")
    fast = FastLlama(model, PlainKernels(fuses=fuses))
    assert step_logits(model, fast).shape == (4, model.config.vocab_size)


def step_logits(model: Any, fast: FastLlama | None) -> torch.Tensor:
    """Compute a step of rows; on the device `meta` it fails where a recording would, or would be wrong."""
    tokenizer = tiny.make("llama").tokenizer
    loaded = replace(from_objects(model, tokenizer, context_window=tiny.WINDOW), fast_forward=fast)
    with torch.inference_mode():
        prefilled = Prefill(loaded, PrefixCache(loaded))._compute_together([(3, 4, 5, 6), (7, 8, 9)])
        step = RowStep(loaded, prefilled.key_values, 4, 64, Recorder(loaded.device))
        step.cache.put([0, 1], prefilled.key_values, [0, 1])
        return step.logits([1, 2, 3, 4], [3, 2, 0, 0])
