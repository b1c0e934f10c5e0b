"""Int4 groups recovered from dequantized weights, without loss.

GGUF's Q4_1 gives each group of 32 weights a scale and a lowest value: every weight is one of 16 evenly spaced values,
the lowest and the highest among them. Q8_0 gives a group a scale: weights are whole multiples of it from -127 to 127,
one of these two among them. Both structures survive dequantization to bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

GROUP_SIZE = 32
"""Weights that share a scale."""

_TOLERANCE = 2.0**-7  # four times bfloat16's relative rounding, of the weights and of the scales found from them
_BLOCK_ROWS = 256  # rows that are examined at a time: they fit the processor's cache


@dataclass(frozen=True)
class Int4Groups:
    """A matrix of 4-bit numbers that mean (number - 8) * scale + middle, with scales for each group of a row.

    Attributes:
        numbers: 0 to 15, `[rows, columns]`, uint8.
        scales: scale and middle, `[groups, rows, 2]`, bfloat16.
    """

    numbers: torch.Tensor
    scales: torch.Tensor

    @classmethod
    def from_numbers(cls, numbers: torch.Tensor, scale: torch.Tensor, middle: torch.Tensor) -> Int4Groups:
        """Create groups from numbers `[rows, groups, 32]`, and scale and middle `[rows, groups]`."""
        scales = torch.stack([scale, middle], -1).transpose(0, 1).to(torch.bfloat16).contiguous()
        return cls(numbers.to(torch.uint8).flatten(1), scales)

    def dequantize(self) -> torch.Tensor:
        """Return the values, `[rows, groups, 32]`, float32."""
        scale, middle = (tensor.float().T[..., None] for tensor in self.scales.unbind(-1))
        return torch.addcmul(middle, self.numbers.view(len(self.numbers), -1, GROUP_SIZE) - 8.0, scale)


Summands = tuple[Int4Groups, ...]
"""Matrices whose sum is a weight: one for 4-bit weights, two for 8-bit ones (16 times the high half, and the low)."""


def find_int4_groups(weight: torch.Tensor) -> Summands | None:
    """Find the groups that a matrix `[rows, columns]` was dequantized from; `None` if it was not.

    The matrix may be float32, if its values are those of bfloat16.
    """
    rounded = weight.to(torch.bfloat16).to(weight.dtype)
    if weight.dim() != 2 or weight.shape[1] % GROUP_SIZE or not torch.equal(rounded, weight):
        return None
    # A sum's terms may be off by a share of the group's largest weight.
    for quantize, share in ((_quantize_4bit, 1.0), (_quantize_8bit, 0.25)):
        blocks = []
        for rows in torch.split(weight, _BLOCK_ROWS):
            groups = rows.float().view(len(rows), -1, GROUP_SIZE)
            summands = quantize(groups)
            error = sum((summand.dequantize() for summand in summands), -groups).abs()
            if (error > _TOLERANCE * (groups.abs() + share * groups.abs().amax(-1, keepdim=True))).any():
                break
            blocks.append(summands)
        else:
            return concatenate(blocks)
    return None


def concatenate(matrices: Sequence[Summands]) -> Summands | None:
    """Concatenate the rows of matrices; `None` if they do not have equally many summands."""
    if len({len(summands) for summands in matrices}) != 1:
        return None
    return tuple(
        Int4Groups(torch.cat([part.numbers for part in parts]), torch.cat([part.scales for part in parts], 1))
        for parts in zip(*matrices, strict=True)
    )


def _quantize_4bit(groups: torch.Tensor) -> Summands:
    low, high = groups.amin(-1), groups.amax(-1)
    scale = (high - low) / 15
    numbers = (groups - low[..., None]).div_(scale.clamp_min(1e-12)[..., None]).round_()
    return (Int4Groups.from_numbers(numbers, scale, low + 8 * scale),)


def _quantize_8bit(groups: torch.Tensor) -> Summands:
    scale = groups.abs().amax(-1) / 127
    for _ in range(2):  # the largest weight was rounded too: a least-squares fit of all weights is more exact
        numbers = (groups / scale.clamp_min(1e-12)[..., None]).round_()
        scale = (groups * numbers).sum(-1) / numbers.square().sum(-1).clamp_min(1)
    shifted = (numbers + 128).to(torch.uint8)
    # number = 16 (high - 8) + (low - 8) + 8
    return (
        Int4Groups.from_numbers(shifted >> 4, 16 * scale, torch.zeros_like(scale)),
        Int4Groups.from_numbers(shifted & 15, scale, 8 * scale),
    )
