"""Attention of rows that each attend to themselves, and all of them to one prefix, on any device.

The prefix is neither copied nor read again for each row: all rows attend to it at once, and both results are merged
(Hydragen, Juravsky et al. 2024). On a GPU, PyTorch's own kernels compute them, called below the level that hides how
much weight a part of the keys has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

logger = logging.getLogger(__name__)

Partial = tuple[torch.Tensor, torch.Tensor]
"""Attention to a part of the keys: the weighted mean of their values, and the log of the sum of their weights."""

Kernel = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None], Partial]
"""From queries, keys and values `[rows, heads, tokens, head size]` and a mask to add, `[rows, 1, tokens, tokens]`."""

_ALIGNED = 16  # the kernels take masks whose rows are multiples of so many numbers apart, and heads of 8
_ALIGNED_HEAD = 8


def attend_rows(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor,
    prefix: tuple[torch.Tensor, torch.Tensor] | None,
) -> torch.Tensor:
    """Compute attention of rows to themselves and to one prefix, `[rows, query heads, tokens, head size]`.

    Args:
        q: queries `[rows, query heads, tokens, head size]`.
        k: keys `[rows, key heads, tokens, head size]`; a key head serves several query heads.
        v: values, as the keys.
        mask: added to the scores, `[rows, 1, tokens, tokens]`.
        prefix: keys and values of what comes before all rows, `[1, key heads, tokens, head size]`.
    """
    kernel = _kernel(q.device, q.dtype) if _is_aligned(q, mask) else attend_plainly
    groups = q.shape[1] // k.shape[1]
    within = kernel(q, k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1), mask)
    if prefix is None:
        return within[0]
    return merge(within, _attend_to_prefix(kernel, q, *prefix))


def _attend_to_prefix(kernel: Kernel, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Partial:
    """Compute attention to one prefix, with the query heads that share a key head as more tokens of all rows."""
    rows, heads, tokens, size = q.shape
    groups = heads // k.shape[1]
    together = q.view(rows, -1, groups, tokens, size).permute(1, 2, 0, 3, 4)
    values, weights = kernel(together.reshape(1, len(together), -1, size), k, v, None)
    values = values.reshape(together.shape).permute(2, 0, 1, 3, 4).reshape(q.shape)
    return values, weights.reshape(together.shape[:-1]).permute(2, 0, 1, 3).reshape(q.shape[:-1])


def merge(first: Partial, second: Partial) -> torch.Tensor:
    """Compute attention to two sets of keys from the attention to each (FlashAttention, Dao et al. 2022)."""
    (first_values, first_weights), (second_values, second_weights) = first, second
    share = torch.sigmoid(second_weights - first_weights)[..., None].to(first_values.dtype)
    return torch.lerp(first_values, second_values, share)


def attend_plainly(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> Partial:
    """Compute attention by matrix products in 32 bits or more, on any device."""
    exact = torch.promote_types(q.dtype, torch.float32)
    scores = q.to(exact) @ k.to(exact).transpose(2, 3) * q.shape[-1] ** -0.5
    scores = scores if mask is None else scores + mask
    weights = scores.logsumexp(-1)
    return ((scores - weights[..., None]).exp() @ v.to(exact)).to(q.dtype), weights


def attend_efficiently(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> Partial:
    """Compute attention by the memory-efficient kernel (Rabe and Staats 2021), which takes masks and float32."""
    bias = None if mask is None else mask.expand(*q.shape[:3], k.shape[2])
    efficient: Any = torch.ops.aten._scaled_dot_product_efficient_attention.default
    values, weights, *_ = efficient(q, k, v, bias, True)
    return values, weights[:, :, : q.shape[2]]  # padded to a multiple of 32


def attend_by_flash(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> Partial:
    """Compute attention by flash attention, which takes no mask: with one, by the memory-efficient kernel."""
    if mask is not None:
        return attend_efficiently(q, k, v, mask)
    values, weights, *_ = torch.ops.aten._scaled_dot_product_flash_attention.default(q, k, v)
    return values, weights


def _is_aligned(q: torch.Tensor, mask: torch.Tensor) -> bool:
    return mask.shape[-1] % _ALIGNED == 0 and q.shape[-1] % _ALIGNED_HEAD == 0


@cache
def _kernel(device: torch.device, dtype: torch.dtype) -> Kernel:
    """Return the fastest kernel of a device whose results are those of `attend_plainly`; tried once."""
    if device.type != "cuda":
        return attend_plainly
    for kernel in (attend_by_flash, attend_efficiently):
        try:
            if agrees(kernel, device, dtype):
                return kernel
        except RuntimeError as error:  # it does not compute on this card
            logger.debug("%s is not used: %s", kernel.__name__, error)
    return attend_plainly


def agrees(kernel: Kernel, device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether a kernel computes what `attend_plainly` does, with a mask and without."""
    numbers = torch.linspace(-3, 3, 2 * 4 * _ALIGNED * 64, dtype=torch.float64)
    q, k, v = ((numbers * factor).sin().view(2, 4, _ALIGNED, 64).to(device, dtype) for factor in (170.3, 290.7, 430.9))
    mask = torch.full((_ALIGNED, _ALIGNED), torch.finfo(dtype).min).triu(1).to(device, dtype)
    tolerance = 1e-4 if dtype == torch.float32 else 0.03
    return all(
        torch.allclose(one.float(), other.float(), atol=tolerance, rtol=tolerance)
        for given in (None, mask.expand(2, 1, -1, -1))
        for one, other in zip(kernel(q, k, v, given), attend_plainly(q, k, v, given), strict=True)
    )
