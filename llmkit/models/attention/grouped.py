"""Attention of grouped heads by PyTorch's own operations, on any device.

Shapes: queries `[rows, query heads, tokens, head size]`, keys and values `[rows, key heads, tokens, head size]`; a key
head serves several query heads (grouped-query attention, Ainslie et al. 2023).
"""

from __future__ import annotations

import torch
from torch.nn import functional as F


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Compute attention, `[rows, query heads, tokens, head size]`; the last query is at the position of the last key.

    A mask `[rows, 1, tokens, all tokens]` is added to the scores; without one, attention is causal.
    """
    tokens, known, groups = q.shape[2], k.shape[2] - q.shape[2], q.shape[1] // k.shape[1]
    if tokens == 1:
        return _attend_with_one(q, k, v, mask)
    if mask is None and known:
        mask = torch.ones(tokens, known + tokens, dtype=torch.bool, device=q.device).tril(known)
    k, v = (tensor.repeat_interleave(groups, 1) for tensor in (k, v))  # few kernels take grouped heads
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)


def _attend_with_one(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Compute attention of one query by matrix products, in which the query heads of a key head are the rows.

    A fused kernel reads the keys of a head one after the other; with few rows, most of a GPU would wait.
    """
    together = q.reshape(len(q), k.shape[1], -1, q.shape[3]) * q.shape[3] ** -0.5
    scores = together @ k.transpose(2, 3)
    if mask is not None:
        scores = scores + mask
    attended: torch.Tensor = scores.softmax(-1) @ v
    return attended.view(q.shape)
