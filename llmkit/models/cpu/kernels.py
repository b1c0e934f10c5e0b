"""The operations of a fast forward pass on a CPU: int4 products, norms in one kernel, attention without copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from llmkit.models.cpu.attention import attend
from llmkit.models.cpu.int4_linear import MAX_INT4_ROWS, PackedLinear, Packer


class CpuKernels:
    """Operations on a CPU.

    Args:
        packer: packs linear layers in int4, if they have such weights.
    """

    same_bits_rows = MAX_INT4_ROWS
    """The most rows whose int4 products may be the same bits as those of each alone."""

    def __init__(self, packer: Packer) -> None:
        self._packer = packer

    def linear(self, name: str, layers: Sequence[nn.Linear]) -> PackedLinear:
        """Create what multiplies by layers with the same input, by their common name."""
        return PackedLinear(layers, self._packer(name, layers))

    def norm(self, module: Any) -> CpuNorm:
        """Create what normalizes as a module of transformers does."""
        return CpuNorm(module)

    def attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute attention of grouped heads."""
        return attend(q, k, v, mask)


class CpuNorm:
    """A root mean square norm (Zhang and Sennrich 2019).

    On a CPU, PyTorch computes a layer norm in one kernel, but this one in several, which take five times as long for
    few tokens. A vector concatenated with its negative has a mean of zero, so that the two norms are the same.
    """

    def __init__(self, norm: Any) -> None:
        self._weight, self._epsilon = norm.weight.detach(), norm.variance_epsilon
        self._weight_twice = torch.cat([self._weight, self._weight])

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Normalize states `[tokens, width]`."""
        width = states.shape[-1]
        if states.shape[0] > MAX_INT4_ROWS:
            return F.rms_norm(states, (width,), self._weight, self._epsilon)
        both = torch.cat([states, states.neg()], -1)
        both = torch.layer_norm(both, (2 * width,), self._weight_twice, None, self._epsilon)
        return both.narrow(-1, 0, width).contiguous()
