"""The fast forward pass equals that of transformers."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, DynamicCache

from llmkit.models.cpu.int4_groups import GROUP_SIZE
from llmkit.models.cpu.int4_linear import FILE, has_int4_kernel, pack, pack_nothing, packer_for
from llmkit.models.cpu.kernels import CpuKernels
from llmkit.models.fast.fast_forward import build_fast_forward, save_packed_weights
from llmkit.models.fast.kernels import Kernels, PlainKernels
from llmkit.models.fast.llama import FastLlama
from llmkit.models.generation.completion import GenerationRequest
from llmkit.models.generation.engine import Engine
from llmkit.models.generation.settings import GenerationSettings
from llmkit.models.weights.loading import from_objects
from tests.support import tiny
from tests.support.gguf_files import quantized_weights
from tests.support.tokenizers import chatml_tokenizer

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {}),
    "every head its own keys": ("Llama", {"num_key_value_heads": 4}),
    "one head of keys, biases": ("Llama", {"num_key_value_heads": 1, "attention_bias": True, "mlp_bias": True}),
    "llama3 positions, tied": ("Llama", {"rope_parameters": LLAMA3, "tie_word_embeddings": True}),
    "qwen2": ("Qwen2", {}),
    "mistral": ("Mistral", {"sliding_window": None}),
}
PROMPTS = ((5, 9, 30, 41, 7), (5, 9, 12), (5, 9, 30, 41, 7, 22, 23, 24, 25, 26, 27, 8), (6, 6, 31))


def make(variant: str, dtype: torch.dtype = torch.float32) -> Any:
    name, values = VARIANTS[variant]
    return tiny.build(name, chatml_tokenizer(), {**tiny.BODY, "num_hidden_layers": 3, **values}).to(dtype)


@pytest.fixture(params=list(VARIANTS), scope="module")
def model(request: pytest.FixtureRequest) -> Any:
    return make(request.param)


KERNELS: dict[str, Kernels] = {
    "cpu": CpuKernels(pack_nothing),
    "plain": PlainKernels(fuses=False),
    "fused": PlainKernels(fuses=True),
}


@pytest.fixture(params=list(KERNELS), scope="module")
def fast(request: pytest.FixtureRequest, model: Any) -> FastLlama:
    return FastLlama(model, KERNELS[request.param])


def with_int4_groups(model: Any) -> Any:
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.weight.data = quantized_weights("Q4_1", layer.out_features, layer.in_features // GROUP_SIZE, 5, 0.2)
    return model


def assert_close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, atol=0.1, rtol=0.05)


def is_equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool(torch.allclose(one, other, atol=1e-4))


@torch.inference_mode()
def test_a_text_computed_in_parts_equals_the_whole(model: Any, fast: FastLlama) -> None:
    ids = torch.tensor([PROMPTS[2]])
    expected = model(ids).logits
    assert is_equal(fast(ids).logits, expected)
    for sizes in ((1,) * 12, (5, 1, 6), (3, 4, 1, 1, 3)):
        cache, parts = None, []
        for part in ids.split(sizes, 1):
            out = fast(part, cache=cache)
            cache = out.cache
            parts.append(out.logits)
        assert is_equal(torch.cat(parts, 1), expected)
    assert is_equal(fast(ids, logits_to_keep=2).logits, expected[:, -2:])
    assert is_equal(fast(ids, logits_to_keep=torch.tensor([0, 7])).logits, expected[:, [0, 7]])


@torch.inference_mode()
def test_padded_rows_equal_those_of_transformers(model: Any, fast: FastLlama) -> None:
    width = max(map(len, PROMPTS))
    ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in PROMPTS])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in PROMPTS])
    caches: list[Any] = [None, None]
    for step in range(4):
        positions = (mask.cumsum(1) - 1).clamp_min(0)[:, -ids.shape[1] :]
        arguments = {"attention_mask": mask, "position_ids": positions}
        outs = [forward(ids, cache=cache, **arguments) for forward, cache in zip((model, fast), caches, strict=True)]
        caches = [out.cache for out in outs]
        assert is_equal(outs[0].logits[:, -1], outs[1].logits[:, -1])
        new = 2 if step == 1 else 1
        ids = outs[0].logits[:, -1:].argmax(-1).expand(-1, new)
        mask = torch.cat([mask, mask.new_ones(len(mask), new)], 1)


@torch.inference_mode()
def test_caches_are_interchangeable_with_transformers(model: Any, fast: FastLlama) -> None:
    ids = torch.tensor([PROMPTS[2]])
    expected = model(ids).logits[:, 8:]
    cache: Any = model(ids[:, :8], cache=DynamicCache(config=model.config)).cache
    assert is_equal(fast(ids[:, 8:], cache=cache).logits, expected)
    cache = fast(ids[:, :8]).cache
    assert is_equal(model(ids[:, 8:], cache=cache).logits, expected)


@pytest.fixture(scope="module")
def engines(model: Any, fast: FastLlama) -> tuple[Engine, Engine]:
    loaded = from_objects(model, chatml_tokenizer(), context_window=tiny.WINDOW)
    return Engine(loaded), Engine(replace(loaded, fast_forward=fast))


def test_generation_equals_that_of_transformers(engines: tuple[Engine, Engine]) -> None:
    settings = GenerationSettings(temperature=0, max_new_tokens=9)
    long = tuple(range(5, 60))  # a shared prefix long enough for the prefix cache
    for prompts in (PROMPTS[:1], PROMPTS, [(*long, 7), (*long, 8, 9), (*long, 7, 3, 3)], [(*long, 7)]):
        requests = [GenerationRequest(prompt, settings) for prompt in prompts]
        plain, fast = (
            [[answer.token_ids for answer in row] for row in engine.generate(requests)] for engine in engines
        )
        assert plain == fast


def test_scores_equal_those_of_transformers(engines: tuple[Engine, Engine]) -> None:
    options = [[(8, 9), (8, 5, 4), (6,)], [(8,)], [(9, 9), (30, 31, 32), (30, 31, 7), (30, 5)], [(4, 4)]]
    for prompts in (PROMPTS, [PROMPTS[0]] * 4, [(*range(5, 40), *prompt) for prompt in PROMPTS]):
        plain, fast = (engine.scorer.score(prompts, options) for engine in engines)
        for one, other in zip(plain, fast, strict=True):
            assert np.allclose(one, other, atol=1e-4)


def test_the_fast_forward_pass_is_built_only_if_its_logits_are_equal(tmp_path: Path) -> None:
    for dtype in (torch.bfloat16, torch.float32):
        assert isinstance(build_fast_forward(make("llama", dtype), tmp_path), FastLlama)
    assert build_fast_forward(make("llama", torch.float16), tmp_path) is None, "float16 is not for a CPU"
    wrong = make("llama", torch.bfloat16)
    wrong.config.hidden_act = "gelu"
    assert build_fast_forward(wrong, tmp_path) is None
    hooked = make("llama", torch.bfloat16)
    hooked.model.layers[1].mlp.register_forward_hook(lambda *arguments: arguments[2] * 1.5)  # no longer a plain Llama
    assert build_fast_forward(hooked, tmp_path) is None
    slightly_changed = make("llama")
    slightly_changed.model.layers[1].mlp.register_forward_hook(lambda *arguments: arguments[2] * 1.05)
    assert build_fast_forward(slightly_changed, tmp_path) is None, "float32 must be equal to the last digits"
    sliding = tiny.build("Mistral", chatml_tokenizer(), {**tiny.BODY, "sliding_window": tiny.SLIDING})
    assert build_fast_forward(sliding.to(torch.bfloat16), tmp_path) is None, "a sliding window"
    offloaded = make("llama", torch.bfloat16)
    offloaded.model.layers[1].mlp.to("meta")
    assert build_fast_forward(offloaded, tmp_path) is None, "a layer on another device"


@pytest.mark.slow
def test_the_default_model_is_built_with_and_without_int4(default_model_folder: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(default_model_folder, dtype=torch.bfloat16).eval()
    packed, plain = (build_fast_forward(model, folder) for folder in (default_model_folder, tmp_path))
    assert packed is not None
    assert plain is not None
    assert (bool(packed.nbytes), plain.nbytes) == (has_int4_kernel(), 0)
    model.model.layers[-1].mlp.register_forward_hook(lambda *arguments: arguments[2] * 1.5)
    assert build_fast_forward(model, default_model_folder) is None, "one of thirty layers differs"


needs_kernel = pytest.mark.skipif(not has_int4_kernel(), reason="PyTorch has no 4-bit kernel for this processor")


@needs_kernel
@torch.inference_mode()
def test_packed_weights_are_saved_and_checked_when_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_int4_groups(make("llama", torch.bfloat16))
    save_packed_weights(model, tmp_path)
    read, found = FastLlama(model, CpuKernels(packer_for(model, tmp_path))), FastLlama(model, CpuKernels(pack))
    assert read.nbytes == found.nbytes > 0
    for name, part in found.parts.items():
        assert len(part.packed) == len(read.parts[name].packed) == 1
        assert all(torch.equal(*pair) for pair in zip(part.packed[0], read.parts[name].packed[0], strict=True))
    ids = torch.tensor([PROMPTS[0]])
    assert_close(read(ids).logits, model(ids).logits)
    exact = copy.deepcopy(model).float()
    fast = FastLlama(exact, CpuKernels(packer_for(exact, tmp_path)))
    assert fast.nbytes == read.nbytes, "float32 with the values of bfloat16"
    assert_close(fast(ids).logits, exact(ids).logits)
    assert packer_for(model, tmp_path) is not pack
    capability = torch.backends.cpu.get_cpu_capability()
    other = {"AVX2": "AVX512", "AVX512": "AVX2"}[capability]
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: other)
    assert packer_for(model, tmp_path) is pack, "packed for another processor"
    monkeypatch.undo()
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-100])
    assert packer_for(model, tmp_path) is pack, "truncated"


@torch.inference_mode()
def test_a_processor_without_an_int4_kernel_does_not_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_int4_groups(make("llama", torch.bfloat16))
    save_packed_weights(model, tmp_path)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    found = build_fast_forward(model, tmp_path)
    assert found is not None
    assert found.nbytes == 0, "the fallback of the kernel is ten times slower than bfloat16"


@needs_kernel
@torch.inference_mode()
def test_packed_weights_of_other_weights_are_not_used(tmp_path: Path) -> None:
    model = with_int4_groups(make("llama", torch.bfloat16))
    save_packed_weights(model, tmp_path)
    for weight in model.parameters():
        weight.mul_(1.01)
    assert packer_for(model, tmp_path) is pack
    assert build_fast_forward(model, tmp_path) is not None


@needs_kernel
@torch.inference_mode()
def test_a_vocabulary_of_unsupported_size_is_not_packed(tmp_path: Path) -> None:
    model = make("llama", torch.bfloat16)
    model.resize_token_embeddings(model.config.vocab_size // 16 * 16 + 1)
    model = with_int4_groups(model)
    save_packed_weights(model, tmp_path)
    found = build_fast_forward(model, tmp_path)
    assert found is not None
    assert not found.parts["head"].packed
    assert found.parts["layers.0.qkv"].packed


def test_nothing_is_saved_for_weights_without_groups(tmp_path: Path) -> None:
    save_packed_weights(make("llama", torch.bfloat16), tmp_path)
    save_packed_weights(make("llama"), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert build_fast_forward(make("llama", torch.bfloat16), tmp_path).nbytes == 0
