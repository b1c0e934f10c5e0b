"""Weights in fewer bits: less memory, nearly the same model, and everything else works on it."""

import importlib.util
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
"""What a weight takes at most, its share of the scales included."""

LABELS = [" Paris", " London", " the dog sleeps"]


def needs(kind: str) -> None:
    if importlib.util.find_spec(LIBRARIES[kind]) is None:
        pytest.skip(f"{LIBRARIES[kind]} is not installed: pip install 'llmkit[quantization]'")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model whose layers are as wide as int4 needs them."""
    place, made = tmp_path_factory.mktemp("llama"), tiny.make("llama")
    widths = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16}
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**made.model.config.to_dict(), **widths}))
    model.save_pretrained(place)
    made.tokenizer.save_pretrained(place)
    return str(place)


def opened(model: str, kind: str | None) -> HuggingFaceChat:
    options: dict[str, Any] = {"dtype": "float32", "device": "cpu", "temperature": 0, "max_new_tokens": 8}
    return HuggingFaceChat(model=model, quantization=kind, **options)


def quantized_parameters(llm: HuggingFaceChat) -> int:
    """Count the weights of the layers, but for embeddings and the head, which stay as they are."""
    layers = llm.engine.loaded.model.model.layers
    return sum(layer.in_features * layer.out_features for layer in layers.modules() if hasattr(layer, "in_features"))


def near_to(scores: Any, found: Any, kind: str) -> bool:
    """Whether log-likelihoods are as near to those of the whole weights as so many bits allow."""
    return bool(np.allclose(found, scores, rtol=0.03 if kind == "int8" else 0.25, atol=0.1))


@pytest.mark.parametrize("kind", LIBRARIES)
def test_weights_take_less_memory(folder: str, kind: str) -> None:
    needs(kind)
    whole, less = opened(folder, None), opened(folder, kind)
    saved = whole.memory_footprint() - less.memory_footprint()
    assert saved >= quantized_parameters(whole) * (4 - BYTES[kind])
    embeddings = less.engine.loaded.model.get_input_embeddings().weight
    assert embeddings.dtype == torch.float32
    assert less.engine is not whole.engine


class Town(BaseModel):
    """A town."""

    name: str


@pytest.mark.parametrize("kind", LIBRARIES)
def test_a_quantized_model_does_all_that_a_model_does(folder: str, kind: str) -> None:
    needs(kind)
    whole, less = opened(folder, None), opened(folder, kind)
    prompts = ["What is the capital of France?", "Hi", "The dog"]
    answers = [less.invoke(prompt) for prompt in prompts]
    assert [answer.content for answer in less.batch(prompts)] == [answer.content for answer in answers]
    assert "".join(str(chunk.content) for chunk in less.stream(prompts[0])) == answers[0].content
    assert isinstance(less.with_structured_output(Town).invoke("Which town?", max_new_tokens=40), Town)
    near = less.score(prompts, LABELS)
    assert less.engine.scorer.supports_token_trees
    assert near_to(whole.score(prompts, LABELS), near, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", LIBRARIES)
def test_the_default_model_in_fewer_bits(default_model_folder: Path, kind: str) -> None:
    needs(kind)
    whole, less = opened("smollm2-135m", None), opened("smollm2-135m", kind)
    question = "What is the capital of France?"
    assert less.memory_footprint() < whole.memory_footprint() * (0.45 if kind == "int8" else 0.35)
    assert "Paris" in str(less.invoke(question).content)
    scores, near = whole.score([question], LABELS), less.score([question], LABELS)
    assert np.argsort(near).tolist() == np.argsort(scores).tolist()
    assert near_to(scores, near, kind)


def test_layers_that_int4_does_not_take_on_a_cpu(tmp_path: Path) -> None:
    needs("int4")
    tiny.make("llama").model.save_pretrained(tmp_path)
    tiny.make("llama").tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"q_proj has 32: take 'int8'"):
        opened(str(tmp_path), "int4")


@pytest.mark.parametrize("kind", LIBRARIES)
def test_a_library_that_is_missing_is_named(folder: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == LIBRARIES[kind]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, LIBRARIES[kind], None)
    with pytest.raises(InputError, match=rf"quantization='{kind}' needs {LIBRARIES[kind]}.*llmkit\[quantization\]"):
        opened(folder, kind)
