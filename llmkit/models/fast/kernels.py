"""The operations of a fast forward pass, which differ between devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional as F

from llmkit.models.attention.grouped import attend


class Linear(Protocol):
    """Linear layers with the same input."""

    @property
    def packed(self) -> Sequence[Any]:
        """Their int4 weights; empty if they have none."""

    @property
    def nbytes(self) -> int:
        """The memory that they take besides the model's own weights, in bytes."""

    def __call__(self, rows: torch.Tensor) -> Sequence[torch.Tensor]:
        """Multiply `rows` `[n, inputs]`; return the output of each layer, or of all but the last as one, and its."""


class Norm(Protocol):
    """A root mean square norm (Zhang and Sennrich 2019)."""

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Normalize states `[tokens, width]`."""


class Kernels(Protocol):
    """Operations on one device."""

    @property
    def same_bits_rows(self) -> int:
        """The most rows whose products may be the same bits as those of each alone."""

    def linear(self, name: str, layers: Sequence[nn.Linear]) -> Linear:
        """Create what multiplies by layers with the same input, by their common name."""

    def norm(self, module: Any) -> Norm:
        """Create what normalizes as a module of transformers does."""

    def attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute attention of grouped heads; see `llmkit.models.attention.grouped`."""


class PlainKernels:
    """Operations of PyTorch, on any device.

    Args:
        fuses: whether layers with the same input are multiplied as one, which takes copies of their weights.
    """

    same_bits_rows = 1

    def __init__(self, *, fuses: bool) -> None:
        self._fuses = fuses

    def linear(self, name: str, layers: Sequence[nn.Linear]) -> PlainLinear:
        """Create what multiplies by layers with the same input, by their common name."""
        return PlainLinear(layers, fuse=self._fuses)

    def norm(self, module: Any) -> PlainNorm:
        """Create what normalizes as a module of transformers does."""
        return PlainNorm(module)

    def attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute attention of grouped heads."""
        return attend(q, k, v, mask)


class PlainLinear:
    """Linear layers with the same input, one after the other or fused: a small product takes as long as its launch."""

    packed: Sequence[Any] = ()

    def __init__(self, layers: Sequence[nn.Linear], *, fuse: bool) -> None:
        self._weights = [(layer.weight.detach(), layer.bias) for layer in layers]
        self._fused = self._fuse() if fuse and len(layers) > 1 else None
        self._last = layers[-1].out_features

    def _fuse(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        weights, biases = zip(*self._weights, strict=True)
        return torch.cat(weights), None if biases[0] is None else torch.cat(biases).detach()

    @property
    def nbytes(self) -> int:
        """The memory of copies, in bytes."""
        return self._fused[0].nbytes if self._fused else 0

    def __call__(self, rows: torch.Tensor) -> Sequence[torch.Tensor]:
        """Multiply `rows` `[n, inputs]`; return the output of each layer, or of all but the last as one, and its."""
        if self._fused is None:
            return [F.linear(rows, weight, bias) for weight, bias in self._weights]
        out = F.linear(rows, *self._fused)
        return torch.split_with_sizes(out, [out.shape[-1] - self._last, self._last], -1)


class PlainNorm:
    """A root mean square norm (Zhang and Sennrich 2019)."""

    def __init__(self, norm: Any) -> None:
        self._weight, self._epsilon = norm.weight.detach(), norm.variance_epsilon

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Normalize states `[tokens, width]`."""
        return F.rms_norm(states, states.shape[-1:], self._weight, self._epsilon)
