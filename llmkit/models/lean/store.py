"""Packed weights in a file beside the model's own, so that they need not be looked for at each start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from llmkit.models.lean.weights import Pack, Packed, pack

FILE = "packed.safetensors"


def write(packed: Mapping[str, Packed], folder: Path) -> None:
    """Write what is packed, if anything is."""
    tensors = {
        f"{name}.{place}.{what}": tensor
        for name, parts in packed.items()
        for place, part in enumerate(parts)
        for what, tensor in zip(("numbers", "scales"), part, strict=True)
    }
    if tensors:
        save_file(tensors, folder / FILE, {"kernel": _kernel()})


def kept(folder: Path) -> Pack:
    """Give what a folder's file holds; packed anew where it was packed for a processor of another kind."""
    if not (folder / FILE).exists():
        return lambda name, layers: ()
    file: Any = safe_open(folder / FILE, "pt")  # stays open: what is read of it are views of the file
    if file.metadata().get("kernel") != _kernel():
        return pack
    names = set(file.keys())

    def read(name: str, _: Sequence[nn.Linear]) -> Packed:
        places = (f"{name}.{place}" for place in range(2))
        found = (place for place in places if f"{place}.numbers" in names)
        return [(file.get_tensor(f"{place}.numbers"), file.get_tensor(f"{place}.scales")) for place in found]

    return read


def _kernel() -> str:
    """Say for which kernel weights are laid out: it differs with the processor, and may with the version of PyTorch."""
    return f"{torch.backends.cpu.get_cpu_capability()} {torch.__version__.partition('+')[0]}"
