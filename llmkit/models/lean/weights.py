"""Linear layers in the form in which a CPU computes them fastest: few rows in 4 bits, many in bfloat16.

One token against a matrix is bound by memory, and PyTorch's 4-bit kernel takes a quarter of the time of its bfloat16
product. Weights that come from a 4-bit GGUF file lose nothing by that: they lie on the file's own grid (see `grid`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from llmkit.models.lean.grid import GROUP, Grid, joined, unpacked

FEW = 12
"""So many rows and fewer are multiplied in 4 bits; with more, bfloat16 is faster (measured with AVX-512)."""

_ROWS = 1024  # a multiple of all blocks that the kernels have


class Layers:
    """Linear layers with the same input; the model's own weights, and their grids packed into one matrix."""

    def __init__(self, layers: Sequence[nn.Linear], grids: Mapping[nn.Module, Grid]) -> None:
        self._weights = [(layer.weight.detach(), layer.bias) for layer in layers]
        self._sizes = [layer.out_features for layer in layers]
        grid = joined([grids[layer] for layer in layers]) if all(layer in grids for layer in layers) else None
        self._packed = [(_packed(part.pairs), part.scales) for part in grid or ()]
        biases: list[Any] = [layer.bias for layer in layers]
        self._bias = None if biases[0] is None else torch.cat(biases).detach()

    @property
    def nbytes(self) -> int:
        """The memory of what is packed, in bytes."""
        return sum(numbers.nbytes + scales.nbytes for numbers, scales in self._packed)

    def __call__(self, rows: torch.Tensor) -> Sequence[torch.Tensor]:
        """Give what each layer makes of `rows` [n, inputs]: [n, outputs]."""
        if not self._packed or rows.shape[0] > FEW:
            return [F.linear(rows, weight, bias) for weight, bias in self._weights]
        product = torch.ops.aten._weight_int4pack_mm_for_cpu
        out: torch.Tensor = product(rows, self._packed[0][0], GROUP, self._packed[0][1])
        for numbers, scales in self._packed[1:]:
            out += product(rows, numbers, GROUP, scales)
        if self._bias is not None:
            out += self._bias
        return torch.split_with_sizes(out, self._sizes, 1) if len(self._sizes) > 1 else (out,)


def _packed(pairs: torch.Tensor) -> torch.Tensor:
    """Lay a grid's numbers out as the kernel wants them; some rows at a time, as it takes them in 32 bits."""
    pack = torch.ops.aten._convert_weight_to_int4pack_for_cpu
    packed = torch.empty_like(pairs)
    for part, place in zip(torch.split(pairs, _ROWS), torch.split(packed, _ROWS), strict=True):
        place.copy_(pack(unpacked(part).to(torch.int32), 1))
    return packed
