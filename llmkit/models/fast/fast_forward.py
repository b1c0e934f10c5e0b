"""Whether a model gets a fast forward pass: only if it gives the same logits.

transformers spends more than half of a small model's time between its matrix products (see `llama`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from llmkit.models.cpu.int4_linear import MAX_INT4_ROWS, pack, packer_for, write_packed
from llmkit.models.cpu.kernels import CpuKernels
from llmkit.models.fast.kernels import PlainKernels
from llmkit.models.fast.llama import FastLlama
from llmkit.models.kv_cache.layers import can_crop_cache

_CLASSES = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM")
_STATIC_ROPE = ("default", "linear", "llama3", "yarn")  # rotary embeddings that do not depend on the text's length
_DTYPES = {
    "cpu": (torch.bfloat16, torch.float32),
    "cuda": (torch.bfloat16, torch.float16, torch.float32),
}
"""The devices and data types that there are kernels for."""

_FUSED_BYTES = 2**32
"""How large the linear layers may be for their weights to be copied, so that those with one input are one product: the
larger they are, the less of the time is spent on launching products."""

_COMPARED_TOKENS = MAX_INT4_ROWS  # so that packed weights are used
_COMPARED_LOGITS = 1024  # at each end of the vocabulary
_MAX_DIFFERENCE = 0.05
"""The most that rounding may change logits, as a share of their spread; it is 0.02 in the default model."""

_MAX_DIFFERENCE_FLOAT32 = 1e-3  # without int4 weights; it is 4e-7


def build_fast_forward(model: Any, folder: Path) -> FastLlama | None:
    """Build a fast forward pass, or return `None` if there is none with the same logits.

    The model's weights are shared, and must not change from now on. Its folder may have what `save_packed_weights`
    wrote: int4 weights, multiplied with bfloat16's rounding even in float32. For exact float32, use the model itself.
    """
    devices = {weight.device for weight in model.parameters()}
    if len(devices) > 1 or not _is_llama(model) or model.dtype not in _DTYPES.get(model.device.type, ()):
        return None
    is_small = sum(layer.weight.nbytes for layer in model.modules() if isinstance(layer, nn.Linear)) < _FUSED_BYTES
    on_cpu = model.device.type == "cpu"
    fast = FastLlama(model, CpuKernels(packer_for(model, folder)) if on_cpu else PlainKernels(fuses=is_small))
    try:
        difference = _difference(model, fast)
    except (RuntimeError, NotImplementedError):  # a kernel is missing for this processor
        return None
    exact = model.dtype == torch.float32 and not fast.nbytes
    return fast if difference < (_MAX_DIFFERENCE_FLOAT32 if exact else _MAX_DIFFERENCE) else None


def save_packed_weights(model: Any, folder: Path) -> None:
    """Write the int4 groups of a model's weights into its folder, if the weights have any."""
    if model.dtype == torch.bfloat16 and _is_llama(model):
        write_packed(
            model, {name: part.packed for name, part in FastLlama(model, CpuKernels(pack)).parts.items()}, folder
        )


def _difference(model: Any, fast: Any) -> float:
    """Return how far the logits differ, as a share of their spread: the median over tokens, as rare ones vary.

    Logits are compared at the ends of the vocabulary: all of them would bring the whole output layer into memory.
    """
    head = model.lm_head
    size = len(head.weight)
    tokens = torch.linspace(0, size - 1, _COMPARED_TOKENS).long()[None].to(model.device)
    rows = sorted({*range(size)[:_COMPARED_LOGITS], *range(size)[-_COMPARED_LOGITS:]})
    with torch.inference_mode():
        states = model.model(tokens).last_hidden_state[0]
        expected = F.linear(states, head.weight[rows], None if head.bias is None else head.bias[rows])
        computed = fast(tokens).logits[0][:, rows]
    return float(((expected - computed).float().std(-1) / expected.float().std(-1)).median())


def _is_llama(model: Any) -> bool:
    config = model.config
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    supported = type(model).__name__ in _CLASSES and config.hidden_act == "silu" and rope in _STATIC_ROPE
    return supported and can_crop_cache(model)
