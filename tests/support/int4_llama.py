"""A tiny Llama whose products are in int4, so that its rows are independent, and ways to complete its prompts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from llmkit.models.cpu.int4_linear import pack, pack_nothing
from llmkit.models.cpu.kernels import CpuKernels
from llmkit.models.fast.llama import FastLlama
from llmkit.models.generation.engine import Engine
from llmkit.models.weights.loading import from_objects
from tests.support import tiny
from tests.support.gguf_files import quantized_weights
from tests.support.tokenizers import chatml_tokenizer

SIZES = {**tiny.BODY, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"temperature": 1.0, "seed": 3},
    {"frequency_penalty": 0.7},
    {"stop": ("a",)},
    {"max_new_tokens": 3},
    {"temperature": 0.8, "top_k": 5, "seed": 4},
]


def new_model(*, packed: bool = True) -> tuple[Any, FastLlama]:
    """Return a model and its fast forward pass; with `packed`, all of its products are in int4."""
    model = tiny.build("Llama", chatml_tokenizer(), SIZES).to(torch.bfloat16)
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear) and packed:
            layer.weight.data = quantized_weights("Q4_1", layer.out_features, layer.in_features // 32, 5, 0.2)
    return model, FastLlama(model, CpuKernels(pack if packed else pack_nothing))


def new_engine(fast: FastLlama, model: Any) -> Engine:
    return Engine(replace(from_objects(model, chatml_tokenizer(), context_window=tiny.WINDOW), fast_forward=fast))
