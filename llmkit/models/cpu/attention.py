"""Attention of grouped heads on a CPU, without copies of keys and values.

Shapes: queries `[rows, query heads, tokens, head size]`, keys and values `[rows, key heads, tokens, head size]`; a key
head serves several query heads (grouped-query attention, Ainslie et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from llmkit.models.attention.shared_prefix import Partial, merge

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Compute attention, `[rows, query heads, tokens, head size]`; the last query is at the position of the last key.

    A mask `[rows, 1, tokens, all tokens]` is added to the scores; without one, attention is causal.
    """
    tokens, known = q.shape[2], k.shape[2] - q.shape[2]
    if tokens == 1:  # the query heads that share a key head are its tokens, so that keys are read once
        out: torch.Tensor = _flash(q.reshape(len(q), k.shape[1], -1, q.shape[3]), k, v, 0.0, False, attn_mask=mask)[0]
        return out.reshape(q.shape)
    if mask is not None or not known:
        return _grouped(q, k, v, mask=mask, causal=mask is None)[0]
    to_known = _grouped(q, k[:, :, :known], v[:, :, :known])
    to_new = _grouped(q, k[:, :, known:], v[:, :, known:], causal=True)
    return merge(to_known, to_new)


def attend_parts(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    masks: Sequence[torch.Tensor],
    prefix: tuple[torch.Tensor, torch.Tensor] | None,
) -> torch.Tensor:
    """Compute attention of parts that attend to themselves and to one prefix, `[tokens, query heads, head size]`.

    The prefix is not copied (Hydragen, Juravsky et al. 2024); its keys and values are `[1, key heads, tokens, head
    size]`. Queries, keys and values `[tokens, heads, head size]` have one part after the other. The masks, for each
    part `[tokens, tokens]`, are added to the scores.
    """
    sizes = [len(mask) for mask in masks]
    q, k, v = (tensor.transpose(0, 1)[None] for tensor in (q, k, v))
    parts = zip(*(torch.split_with_sizes(tensor, sizes, 2) for tensor in (q, k, v)), masks, strict=True)
    within = [_grouped(*part, mask=mask[None, None]) for *part, mask in parts]
    values, weights = (torch.cat(tensors, 2) for tensors in zip(*within, strict=True))
    if prefix is not None:
        values = merge((values, weights), _grouped(q, *prefix))
    return values[0].transpose(0, 1)


def _grouped(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *, mask: torch.Tensor | None = None, causal: bool = False
) -> Partial:
    """Treat key heads as rows, each expanded over its query heads without a copy."""
    rows, heads, tokens, size = q.shape
    groups = k.shape[1]
    shape = (rows * groups, heads // groups, -1, size)
    if mask is not None and rows > 1:
        mask = mask.expand(rows, groups, *mask.shape[2:]).reshape(rows * groups, 1, *mask.shape[2:])
    out, weights = _flash(
        q.reshape(rows * groups, heads // groups, tokens, size),
        k.reshape(rows * groups, 1, -1, size).expand(shape),
        v.reshape(rows * groups, 1, -1, size).expand(shape),
        0.0,
        causal,
        attn_mask=mask,
    )
    return out.reshape(rows, heads, tokens, size), weights.reshape(rows, heads, tokens)
