"""Whether a model can be computed in rows is found by trying."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from langchain_core.messages import HumanMessage

from llmkit import HuggingFaceChat
from llmkit.models.fast.kernels import PlainKernels
from llmkit.models.fast.llama import FastLlama
from llmkit.models.generation import row_step
from llmkit.models.generation.engine import Engine
from llmkit.models.weights.loading import from_objects
from tests.support import tiny
from tests.support.generation import (
    LENGTH,
    encode_prompts,
    generate_alone,
    generate_together,
)
from tests.support.rows import SEED


@pytest.mark.parametrize("name", ["falcon", "bloom", "mamba", "gemma2", "t5"])
def test_other_architectures_are_decoded_without_rows(name: str) -> None:
    model = tiny.make(name)
    engine = Engine(from_objects(model.model, model.tokenizer, context_window=tiny.WINDOW), uses_rows=True)
    assert engine._row_decoder is not None
    assert not engine._row_decoder.usable
    prompts = encode_prompts(model)[:2]
    assert generate_together(engine, prompts) == [model.reference(prompt, max_new_tokens=LENGTH) for prompt in prompts]


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
