"""Quantized weights take less memory, give nearly the same scores, and support every feature."""

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from pydantic import BaseModel

from llmkit import HuggingFaceChat
from llmkit.errors import InputError
from tests.support import tiny

LIBRARIES = {"int8": "torchao", "int4": "bitsandbytes"}
BYTES = {"int8": 1.1, "int4": 0.6}
"""The most bytes per weight, with its share of the scales."""

LABELS = [" Paris", " London", " the dog sleeps"]


def skip_without_library(quantization: str) -> None:
    if importlib.util.find_spec(LIBRARIES[quantization]) is None:
        pytest.skip(f"{LIBRARIES[quantization]} is not installed: pip install 'llmkit[quantization]'")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Save a model whose layers are wide enough for int4."""
    path, base = tmp_path_factory.mktemp("llama"), tiny.make("llama")
    widths = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16}
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**base.model.config.to_dict(), **widths}))
    model.save_pretrained(path)
    base.tokenizer.save_pretrained(path)
    return str(path)


def load_model(model: str, quantization: str | None) -> HuggingFaceChat:
    options: dict[str, Any] = {"dtype": "float32", "device": "cpu", "temperature": 0, "max_new_tokens": 8}
    return HuggingFaceChat(model=model, quantization=quantization, **options)


def quantized_parameters(llm: HuggingFaceChat) -> int:
    """Count the weights of the layers, without the embeddings and the head, which are not quantized."""
    layers = llm.engine.loaded.model.model.layers
    return sum(layer.in_features * layer.out_features for layer in layers.modules() if hasattr(layer, "in_features"))


def scores_are_close(scores: Any, found: Any, quantization: str) -> bool:
    """Return whether log-likelihoods are as close to those of the full weights as the quantization allows."""
    return bool(np.allclose(found, scores, rtol=0.03 if quantization == "int8" else 0.25, atol=0.1))


@pytest.mark.slow
@pytest.mark.parametrize("quantization", LIBRARIES)
def test_weights_take_less_memory(folder: str, quantization: str) -> None:
    skip_without_library(quantization)
    full, quantized = load_model(folder, None), load_model(folder, quantization)
    saved = full.memory_footprint() - quantized.memory_footprint()
    assert saved >= quantized_parameters(full) * (4 - BYTES[quantization])
    embeddings = quantized.engine.loaded.model.get_input_embeddings().weight
    assert embeddings.dtype == torch.float32
    assert quantized.engine is not full.engine


class Town(BaseModel):
    """A town."""

    name: str


@pytest.mark.parametrize("quantization", LIBRARIES)
def test_a_quantized_model_supports_every_feature(folder: str, quantization: str) -> None:
    skip_without_library(quantization)
    full, quantized = load_model(folder, None), load_model(folder, quantization)
    prompts = ["What is the capital of France?", "Hi", "The dog"]
    answers = [quantized.invoke(prompt) for prompt in prompts]
    assert [answer.content for answer in quantized.batch(prompts)] == [answer.content for answer in answers]
    assert "".join(str(chunk.content) for chunk in quantized.stream(prompts[0])) == answers[0].content
    assert isinstance(quantized.with_structured_output(Town).invoke("Which town?", max_new_tokens=40), Town)
    quantized_scores = quantized.score(prompts, LABELS)
    assert quantized.engine.scorer.supports_token_trees
    assert scores_are_close(full.score(prompts, LABELS), quantized_scores, quantization)


@pytest.mark.slow
@pytest.mark.parametrize("quantization", LIBRARIES)
def test_the_quantized_default_model_answers_correctly(default_model_folder: Path, quantization: str) -> None:
    skip_without_library(quantization)
    full, quantized = load_model("smollm2-135m", None), load_model("smollm2-135m", quantization)
    question = "What is the capital of France?"
    assert quantized.memory_footprint() < full.memory_footprint() * (0.45 if quantization == "int8" else 0.35)
    assert "Paris" in str(quantized.invoke(question).content)
    scores, quantized_scores = full.score([question], LABELS), quantized.score([question], LABELS)
    assert np.argsort(quantized_scores).tolist() == np.argsort(scores).tolist()
    assert scores_are_close(scores, quantized_scores, quantization)


def test_layers_of_unsupported_width_raise_input_error(tmp_path: Path) -> None:
    skip_without_library("int4")
    tiny.make("llama").model.save_pretrained(tmp_path)
    tiny.make("llama").tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"q_proj has 32: take 'int8'"):
        load_model(str(tmp_path), "int4")


@pytest.mark.parametrize("quantization", LIBRARIES)
def test_a_missing_library_raises_input_error(
    folder: str, quantization: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unloaded = shutil.copytree(folder, tmp_path / "model")  # an engine of another test may still be alive
    for name in [name for name in sys.modules if name.split(".")[0] == LIBRARIES[quantization]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, LIBRARIES[quantization], None)
    with pytest.raises(
        InputError, match=rf"quantization='{quantization}' needs {LIBRARIES[quantization]}.*llmkit\[quantization\]"
    ):
        load_model(str(unloaded), quantization)
