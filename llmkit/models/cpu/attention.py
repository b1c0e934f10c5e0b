"""Attention of grouped heads on a CPU, without copies of keys and values.

Shapes: queries [rows, query heads, tokens, size], keys and values [rows, key heads, tokens, size]; a key head serves
several query heads (grouped-query attention, Ainslie et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default

Part = tuple[torch.Tensor, torch.Tensor]
"""Values mixed over some of the keys, and the log of the sum of the weights of these."""


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Give the mix of values, [rows, query heads, tokens, size].

    Without a mask the last query stands at the last key, and each query sees its own key and those before it. A mask
    [rows, 1, tokens, all tokens] is added to the scores.
    """
    new, known = q.shape[2], k.shape[2] - q.shape[2]
    if new == 1:
        return _folded(q, k, v, mask)
    if mask is not None:
        return _grouped(q, k, v, mask=mask)[0]
    if not known:
        return _grouped(q, k, v, causal=True)[0]
    before = _grouped(q, k[:, :, :known], v[:, :, :known])
    own = _grouped(q, k[:, :, known:], v[:, :, known:], causal=True)
    return _merged(before, own)


def attend_parts(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    sizes: list[int],
    masks: Sequence[torch.Tensor],
    known: tuple[torch.Tensor, torch.Tensor] | None,
) -> torch.Tensor:
    """Give the mix of values, [tokens, query heads, size], of parts that see themselves and what all stand behind.

    The parts' queries, keys and values [tokens, heads, size] follow one another, so many tokens each; `masks[i]`,
    [tokens, tokens], is added to the scores of part i. What is known, [1, heads, tokens, size], all parts see at once,
    and nothing of it is copied for each (as in Hydragen, Juravsky et al. 2024).
    """
    q, k, v = (each.transpose(0, 1)[None] for each in (q, k, v))
    pieces = zip(*(torch.split_with_sizes(each, sizes, 2) for each in (q, k, v)), masks, strict=True)
    own = [_grouped(*piece, mask=mask[None, None]) for *piece, mask in pieces]
    values, weights = (torch.cat(each, 2) for each in zip(*own, strict=True))
    if known is not None:
        values = _merged((values, weights), _grouped(q, *known))
    return values[0].transpose(0, 1)


def _merged(one: Part, other: Part) -> torch.Tensor:
    """Give the attention to two sets of keys out of the attention to each (as in FlashAttention, Dao et al. 2022)."""
    (values, weights), (others, other_weights) = one, other
    share = torch.sigmoid(other_weights - weights)[..., None].to(values.dtype)
    return torch.lerp(values, others, share)


def _folded(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """One query a row: the heads that share keys stand as if they were so many tokens, and keys are read once."""
    out: torch.Tensor = _flash(q.reshape(len(q), k.shape[1], -1, q.shape[3]), k, v, 0.0, False, attn_mask=mask)[0]
    return out.reshape(q.shape)


def _grouped(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *, mask: torch.Tensor | None = None, causal: bool = False
) -> Part:
    """Key heads stand as if they were rows, each expanded over its query heads without a copy."""
    rows, heads, tokens, size = q.shape
    groups = k.shape[1]
    wide = (rows * groups, heads // groups, -1, size)
    if mask is not None and rows > 1:
        mask = mask.expand(rows, groups, *mask.shape[2:]).reshape(rows * groups, 1, *mask.shape[2:])
    out, weights = _flash(
        q.reshape(rows * groups, heads // groups, tokens, size),
        k.reshape(rows * groups, 1, -1, size).expand(wide),
        v.reshape(rows * groups, 1, -1, size).expand(wide),
        0.0,
        causal,
        attn_mask=mask,
    )
    return out.reshape(rows, heads, tokens, size), weights.reshape(rows, heads, tokens)
