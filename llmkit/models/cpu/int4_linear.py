"""Linear layers in the form in which a CPU computes them fastest: few rows in 4 bits, many in the model's precision.

One token against a matrix is bound by memory, and PyTorch's 4-bit kernel takes a quarter of the time of its bfloat16
product. Weights that come from a 4-bit GGUF file lose nothing to speak of: they lie on the file's own grid, whose
scales are rounded to bfloat16 as the weights were (see `grid`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from llmkit.models.cpu.int4_groups import GROUP, find, joined

FEW = 12
"""So many rows and fewer are multiplied in 4 bits; with more, bfloat16 and float32 are faster (with AVX-512)."""

_product = torch.ops.aten._weight_int4pack_mm_for_cpu.default  # the overload itself: finding it takes time too
_BLOCK = 16  # the kernel takes rows in blocks of so many; a vocabulary of 32,001 tokens, say, is not packed
_ROWS = 1024  # a multiple of all blocks that the kernels have

Packed = Sequence[tuple[torch.Tensor, torch.Tensor]]
"""Matrices that add up to a weight: numbers laid out for the kernel, and their scales [groups, rows, 2]."""

Pack = Callable[[str, Sequence[nn.Linear]], Packed]
"""Gives layers of the same input, which together have this name, as one packed weight; nothing if they have no grid."""


class Layers:
    """Linear layers with the same input: the model's own weights, and all of them packed as one."""

    def __init__(self, layers: Sequence[nn.Linear], packed: Packed) -> None:
        self._weights = [(layer.weight.detach(), layer.bias) for layer in layers]
        self._sizes = [layer.out_features for layer in layers]
        self.packed = packed
        biases: list[Any] = [layer.bias for layer in layers]
        self._bias = None if biases[0] is None else torch.cat(biases).detach()

    @property
    def nbytes(self) -> int:
        """The memory of what is packed, in bytes."""
        return sum(numbers.nbytes + scales.nbytes for numbers, scales in self.packed)

    def __call__(self, rows: torch.Tensor) -> Sequence[torch.Tensor]:
        """Give what each layer makes of `rows` [n, inputs]: [n, outputs]."""
        if not self.packed or rows.shape[0] > FEW:
            return [F.linear(rows, weight, bias) for weight, bias in self._weights]
        few = rows.to(torch.bfloat16)  # of float32 the kernel is ten times slower
        out: torch.Tensor = _product(few, self.packed[0][0], GROUP, self.packed[0][1])
        for numbers, scales in self.packed[1:]:
            out += _product(few, numbers, GROUP, scales)
        out = out.to(rows.dtype)
        if self._bias is not None:
            out += self._bias
        return torch.split_with_sizes(out, self._sizes, 1) if len(self._sizes) > 1 else (out,)


def has_kernel() -> bool:
    """Whether PyTorch has a 4-bit kernel for this processor; elsewhere a plain loop stands in, ten times slower."""
    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512") and sys.platform != "win32"


def pack(_: str, layers: Sequence[nn.Linear]) -> Packed:
    """Look for the grids of layers, and pack them, if there is a kernel, and it takes so many rows."""
    if not has_kernel() or sum(layer.out_features for layer in layers) % _BLOCK:
        return ()
    grids = [grid for layer in layers if (grid := find(layer.weight.detach()))]
    grid = joined(grids) if len(grids) == len(layers) else None
    return [(_laid_out(part.numbers), part.scales) for part in grid or ()]


def leave(_: str, __: Sequence[nn.Linear]) -> Packed:
    """Pack nothing."""
    return ()


def _laid_out(numbers: torch.Tensor) -> torch.Tensor:
    """Lay numbers out as the kernel wants them: some rows at a time, as it takes them in 32 bits."""
    lay_out = torch.ops.aten._convert_weight_to_int4pack_for_cpu
    return torch.cat([lay_out(part.to(torch.int32), 1) for part in torch.split(numbers, _ROWS)])
