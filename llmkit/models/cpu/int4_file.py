"""Packed weights in a file beside the model's own, so that they need not be looked for at each start."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from llmkit.models.cpu.int4_linear import Pack, Packed, has_kernel, leave, pack

FILE = "packed.safetensors"


def write(model: nn.Module, packed: Mapping[str, Packed], folder: Path) -> None:
    """Write what is packed of a model, if anything is."""
    tensors = {
        f"{name}.{place}.{what}": tensor
        for name, parts in packed.items()
        for place, part in enumerate(parts)
        for what, tensor in zip(("numbers", "scales"), part, strict=True)
    }
    if tensors:
        save_file(tensors, folder / FILE, _made_for(model))


def kept(model: nn.Module, folder: Path) -> Pack:
    """Give what a folder's file holds: nothing without a file, or without a kernel for it.

    It is packed anew where the file is damaged, or was made of other weights or for another processor.
    """
    if not (folder / FILE).exists() or not has_kernel():
        return leave
    try:
        file: Any = safe_open(folder / FILE, "pt")  # stays open: what is read of it are views of the file
    except SafetensorError:
        return pack
    if file.metadata() != _made_for(model):
        return pack
    names = set(file.keys())

    def read(name: str, _: Sequence[nn.Linear]) -> Packed:
        places = (f"{name}.{place}" for place in range(2))
        found = (place for place in places if f"{place}.numbers" in names)
        return [(file.get_tensor(f"{place}.numbers"), file.get_tensor(f"{place}.scales")) for place in found]

    return read


def _made_for(model: nn.Module) -> dict[str, str]:
    """Say of what and for what weights are packed.

    The kernel differs with the processor, and may with the version of PyTorch. Of the weights the first row of each
    linear layer is told: who trains on and saves into the same folder changes it.
    """
    rows = hashlib.sha256()
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            rows.update(layer.weight.detach()[0].float().numpy().tobytes())
    kernel = f"{torch.backends.cpu.get_cpu_capability()} {torch.__version__.partition('+')[0]}"
    return {"kernel": kernel, "weights": rows.hexdigest()}
