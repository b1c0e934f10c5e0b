"""The same model, faster on a CPU: fewer operations a layer, 4-bit weights where they lie on such a grid.

`transformers` spends more than half of a small model's time on a CPU between its matrix products. `of` gives a forward
pass for models of Llama's shape that takes and gives the same, if on trying it gives the same numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from llmkit.models.cpu.int4_file import kept, write
from llmkit.models.cpu.int4_linear import FEW, pack
from llmkit.models.cpu.llama import LeanLlama
from llmkit.models.kv_cache.prefix_cache import can_roll_back

_CLASSES = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM")
_STATIC = ("default", "linear", "llama3", "yarn")  # rotary embeddings that do not depend on the length of the text
_TOKENS = FEW  # so that what is packed is tried
_ENDS = 1024  # tokens
_ROUNDING = 0.05
"""Rounding may set logits apart by this share of their spread: 0.02 in the default model, 0.01 in a very small one."""

_EXACT = 1e-3
"""The same in float32 without a 4-bit product; it is 4e-7."""


def of(model: Any, folder: Path) -> LeanLlama | None:
    """Give a lean forward pass of a model on a CPU, or `None` where there is none that is the same.

    What lies on a 4-bit grid is multiplied with bfloat16's rounding, in float32 too: who wants that to the last bit
    stays with `transformers`.

    Args:
        model: its weights are shared, and may not be changed from then on.
        folder: where `keep` may have written packed weights.
    """
    here = all(weight.device.type == "cpu" for weight in model.parameters())  # none on a disk or a GPU
    if not here or model.dtype not in (torch.bfloat16, torch.float32) or not _is_llama(model):
        return None
    lean = LeanLlama(model, kept(model, folder))
    try:
        apart = _apart(model, lean)
    except (RuntimeError, NotImplementedError):  # a kernel that is not there for this processor
        return None
    exact = model.dtype == torch.float32 and not lean.nbytes
    return lean if apart < (_EXACT if exact else _ROUNDING) else None


def _apart(model: Any, lean: Any) -> float:
    """Give how far the logits are apart, as a share of their spread; of tokens across the vocabulary the median one.

    bfloat16 makes single rare tokens chaotic. Logits are compared at the ends of the vocabulary: all of them would
    bring the whole output layer into memory, which writing does not need where it is packed.
    """
    head = model.lm_head
    size = len(head.weight)
    tokens = torch.linspace(0, size - 1, _TOKENS).long()[None]
    rows = sorted({*range(size)[:_ENDS], *range(size)[-_ENDS:]})
    with torch.inference_mode():
        states = model.model(tokens).last_hidden_state[0]
        own = F.linear(states, head.weight[rows], None if head.bias is None else head.bias[rows])
        other = lean(tokens).logits[0][:, rows]
    return float(((own - other).float().std(-1) / own.float().std(-1)).median())


def keep(model: Any, folder: Path) -> None:
    """Look for the grids that a model's weights lie on, and write the weights packed where they have any."""
    if model.dtype == torch.bfloat16 and _is_llama(model):
        write(model, {name: part.packed for name, part in LeanLlama(model, pack).parts.items()}, folder)


def _is_llama(model: Any) -> bool:
    config = model.config
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    known = type(model).__name__ in _CLASSES and config.hidden_act == "silu" and rope in _STATIC
    return known and can_roll_back(model)


__all__ = ["LeanLlama", "keep", "of"]
