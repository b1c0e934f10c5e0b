"""Linear layers on a CPU: few rows with int4 weights, many rows in the model's precision; and the file of int4 weights.

Multiplying one token is bound by memory, and PyTorch's int4 kernel takes a quarter of the time of its bfloat16 product.
Weights that come from a 4-bit GGUF file are repacked without loss (see `int4_groups`), but for the scales, which are
rounded to bfloat16 as the weights were.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from llmkit.models.cpu.int4_groups import GROUP_SIZE, concatenate, find_int4_groups

MAX_INT4_ROWS = 12
"""The most rows that are multiplied in int4; with more, bfloat16 and float32 are faster (with AVX-512)."""

FILE = "packed.safetensors"
"""The file beside a model's weights that spares finding the int4 groups at each start."""

_product = torch.ops.aten._weight_int4pack_mm_for_cpu.default  # the overload itself: looking it up takes time too
_KERNEL_ROWS = 16  # the kernel takes blocks of so many rows; a vocabulary of 32,001 tokens, for example, is not packed
_PACKED_ROWS = 1024  # packed at a time; a multiple of the blocks of all kernels

Packed = Sequence[tuple[torch.Tensor, torch.Tensor]]
"""Matrices whose sum is a weight: numbers in the kernel's layout, and their scales `[groups, rows, 2]`."""

Packer = Callable[[str, Sequence[nn.Linear]], Packed]
"""Returns the packed weight of layers with the same input, by their common name; empty if they have no int4 groups."""


class PackedLinear:
    """Linear layers with the same input: the model's own weights, and all of them packed as one."""

    def __init__(self, layers: Sequence[nn.Linear], packed: Packed) -> None:
        self._weights = [(layer.weight.detach(), layer.bias) for layer in layers]
        self._sizes = [layer.out_features for layer in layers]
        self.packed = packed
        biases: list[Any] = [layer.bias for layer in layers]
        self._bias = None if biases[0] is None else torch.cat(biases).detach()

    @property
    def nbytes(self) -> int:
        """The memory of the packed weights, in bytes."""
        return sum(numbers.nbytes + scales.nbytes for numbers, scales in self.packed)

    def __call__(self, rows: torch.Tensor) -> Sequence[torch.Tensor]:
        """Multiply `rows` `[n, inputs]`; return the output of each layer, `[n, outputs]`."""
        if not self.packed or rows.shape[0] > MAX_INT4_ROWS:
            return [F.linear(rows, weight, bias) for weight, bias in self._weights]
        inputs = rows.to(torch.bfloat16)  # with float32 the kernel is ten times slower
        out: torch.Tensor = _product(inputs, self.packed[0][0], GROUP_SIZE, self.packed[0][1])
        for numbers, scales in self.packed[1:]:
            out += _product(inputs, numbers, GROUP_SIZE, scales)
        out = out.to(rows.dtype)
        if self._bias is not None:
            out += self._bias
        return torch.split_with_sizes(out, self._sizes, 1) if len(self._sizes) > 1 else (out,)


def has_int4_kernel() -> bool:
    """Return whether PyTorch has an int4 kernel for this processor; its fallback is ten times slower."""
    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512") and sys.platform != "win32"


def pack(_: str, layers: Sequence[nn.Linear]) -> Packed:
    """Find the int4 groups of layers and pack them; a `Packer`."""
    if not has_int4_kernel() or sum(layer.out_features for layer in layers) % _KERNEL_ROWS:
        return ()
    found = [groups for layer in layers if (groups := find_int4_groups(layer.weight.detach()))]
    summands = concatenate(found) if len(found) == len(layers) else None
    convert = torch.ops.aten._convert_weight_to_int4pack_for_cpu  # takes int32: some rows at a time
    return [
        (torch.cat([convert(rows.int(), 1) for rows in torch.split(part.numbers, _PACKED_ROWS)]), part.scales)
        for part in summands or ()
    ]


def pack_nothing(_: str, __: Sequence[nn.Linear]) -> Packed:
    """Pack nothing; a `Packer`."""
    return ()


def write_packed(model: nn.Module, packed: Mapping[str, Packed], folder: Path) -> None:
    """Write packed weights, by name, into a model's folder; nothing if there are none."""
    tensors = {
        f"{name}.{index}.{part}": tensor
        for name, summands in packed.items()
        for index, summand in enumerate(summands)
        for part, tensor in zip(("numbers", "scales"), summand, strict=True)
    }
    if tensors:
        save_file(tensors, folder / FILE, _fingerprint(model))


def packer_for(model: nn.Module, folder: Path) -> Packer:
    """Return what reads the folder's file, or packs anew if that is damaged or for other weights or processors.

    Without a file, or without a kernel, it packs nothing.
    """
    if not (folder / FILE).exists() or not has_int4_kernel():
        return pack_nothing
    try:
        file: Any = safe_open(folder / FILE, "pt")  # stays open: the tensors are views of the file
    except SafetensorError:
        return pack
    if file.metadata() != _fingerprint(model):
        return pack
    names = set(file.keys())

    def read(name: str, _: Sequence[nn.Linear]) -> Packed:
        keys = [key for key in (f"{name}.0", f"{name}.1") if f"{key}.numbers" in names]
        return [(file.get_tensor(f"{key}.numbers"), file.get_tensor(f"{key}.scales")) for key in keys]

    return read


def was_packed_from(model: nn.Module, folder: Path) -> bool:
    """Return whether a folder's packed weights are a model's, or the folder has none; training changes weights."""
    if not (folder / FILE).exists():
        return True
    try:
        with safe_open(folder / FILE, "pt") as file:
            return bool(file.metadata()["weights"] == _fingerprint(model)["weights"])
    except (SafetensorError, RuntimeError, TypeError, NotImplementedError):  # a tensor of another type than numbers
        return False


def _fingerprint(model: nn.Module) -> dict[str, str]:
    """Identify the processor, the version of PyTorch, and the weights: by the first row of each linear layer.

    The kernel's layout differs with the first two. Training changes the rows.
    """
    rows = hashlib.sha256()
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            rows.update(layer.weight.detach()[0].float().numpy().tobytes())
    kernel = f"{torch.backends.cpu.get_cpu_capability()} {torch.__version__.partition('+')[0]}"
    return {"kernel": kernel, "weights": rows.hexdigest()}
