"""The grid that quantized weights lie on, found again in the weights themselves.

GGUF's Q4_1 gives each group of 32 weights a scale and a lowest value, so that every weight is one of 16 evenly spaced
values, the lowest and the highest among them; Q8_0 gives a group a scale, and weights from -127 to 127 times that, one
of these two among them. Dequantized to bfloat16, both are still to be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

GROUP = 32
"""Weights that share a scale."""

_ROUNDING = 2.0**-7
"""What bfloat16 is off by at most, four times: it rounded the weights, and the scales that are found from them."""

_ROWS = 256  # looked at together, so that they stay in the processor's cache


@dataclass(frozen=True)
class Nibbles:
    """A matrix of numbers 0 to 15, and what they stand for: (number - 8) x scale + middle, by group of a row.

    Attributes:
        numbers: [rows, columns], uint8.
        scales: [groups, rows, 2], bfloat16: scale and middle.
    """

    numbers: torch.Tensor
    scales: torch.Tensor

    @classmethod
    def of(cls, numbers: torch.Tensor, scale: torch.Tensor, middle: torch.Tensor) -> Nibbles:
        """Take numbers [rows, groups, 32], scale and middle [rows, groups]."""
        scales = torch.stack([scale, middle], -1).transpose(0, 1).to(torch.bfloat16).contiguous()
        return cls(numbers.to(torch.uint8).flatten(1), scales)

    def values(self) -> torch.Tensor:
        """Give what the numbers stand for, [rows, groups, 32], float32."""
        scale, middle = (each.float().T[..., None] for each in self.scales.unbind(-1))
        return torch.addcmul(middle, self.numbers.view(len(self.numbers), -1, GROUP) - 8.0, scale)


Grid = tuple[Nibbles, ...]
"""Matrices that add up to a weight: one for 4 bits, two for 8, for a number of 8 bits is 16 times one of 4, and one."""


def find(weight: torch.Tensor) -> Grid | None:
    """Give the grid that a matrix's values lie on, or `None`; they may be kept in float32, but be those of bfloat16."""
    if weight.dim() != 2 or weight.shape[1] % GROUP or not _is_rounded(weight):
        return None
    for look, share in ((_four, 1.0), (_eight, 0.25)):  # of the group's largest, that the terms of a sum may have
        parts = []
        for rows in torch.split(weight, _ROWS):
            groups = rows.float().view(len(rows), -1, GROUP)
            grid = look(groups)
            off = sum((each.values() for each in grid), -groups).abs()
            if (off > _ROUNDING * (groups.abs() + share * groups.abs().amax(-1, keepdim=True))).any():
                break
            parts.append(grid)
        else:
            return joined(parts)
    return None


def _is_rounded(weight: torch.Tensor) -> bool:
    return weight.dtype == torch.bfloat16 or torch.equal(weight.to(torch.bfloat16).to(weight.dtype), weight)


def joined(grids: Sequence[Grid]) -> Grid | None:
    """Put matrices of equal width below each other; `None` if their grids are not alike."""
    if len({len(grid) for grid in grids}) != 1:
        return None
    return tuple(
        Nibbles(torch.cat([part.numbers for part in parts]), torch.cat([part.scales for part in parts], 1))
        for parts in zip(*grids, strict=True)
    )


def _four(groups: torch.Tensor) -> Grid:
    low, high = groups.amin(-1), groups.amax(-1)
    scale = (high - low) / 15
    numbers = (groups - low[..., None]).div_(scale.clamp_min(1e-12)[..., None]).round_()
    return (Nibbles.of(numbers, scale, low + 8 * scale),)


def _eight(groups: torch.Tensor) -> Grid:
    scale = groups.abs().amax(-1) / 127
    for _ in range(2):  # the largest weight was rounded too: all the weights tell the scale better
        numbers = (groups / scale.clamp_min(1e-12)[..., None]).round_()
        scale = (groups * numbers).sum(-1) / numbers.square().sum(-1).clamp_min(1)
    whole = (numbers + 128).to(torch.uint8)
    # number = 16 (high - 8) + (low - 8) + 8
    return (
        Nibbles.of(whole >> 4, 16 * scale, torch.zeros_like(scale)),
        Nibbles.of(whole & 15, scale, 8 * scale),
    )
