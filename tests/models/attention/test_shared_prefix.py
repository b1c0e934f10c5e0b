"""Attention to a shared prefix and to a row's own tokens is attention to both at once."""

from __future__ import annotations

import pytest
import torch

from llmkit.models.attention import shared_prefix
from llmkit.models.attention.shared_prefix import agrees, attend_plainly, attend_rows

CPU = torch.device("cpu")


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def random_mask(rows: int, tokens: int) -> torch.Tensor:
    visible = (drawn(rows, tokens, tokens) > 0.3) | torch.eye(tokens, dtype=torch.bool)
    mask = torch.zeros(rows, 1, tokens, tokens)
    return mask.masked_fill(~visible[:, None], torch.finfo(torch.float32).min)


@pytest.mark.parametrize(("heads", "key_heads"), [(6, 6), (6, 2), (4, 1)])
@pytest.mark.parametrize("known", [0, 1, 37])
def test_attention_of_rows_is_that_of_pytorch_over_copies_of_the_prefix(heads: int, key_heads: int, known: int) -> None:
    rows, tokens, size = 3, 11, 8
    q, k, v = drawn(rows, heads, tokens, size), drawn(rows, key_heads, tokens, size), drawn(rows, key_heads, tokens, 8)
    mask = random_mask(rows, tokens)
    prefix = (drawn(1, key_heads, known, size), drawn(1, key_heads, known, size + 1)[..., :size]) if known else None
    keys, values = k, v
    if prefix:
        keys, values = (
            torch.cat([part.expand(rows, -1, -1, -1), own], 2) for part, own in zip(prefix, (k, v), strict=True)
        )
    seen = torch.cat([torch.zeros(rows, 1, tokens, known), mask], 3)
    expected = torch.nn.functional.scaled_dot_product_attention(q, keys, values, seen, enable_gqa=True)
    torch.testing.assert_close(attend_rows(q, k, v, mask, prefix), expected, atol=1e-5, rtol=1e-5)


def test_a_kernel_is_used_only_where_its_results_are_right() -> None:
    assert agrees(attend_plainly, CPU, torch.float32)
    assert agrees(attend_plainly, CPU, torch.bfloat16)

    def in_powers_of_two(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> object:
        values, weights = attend_plainly(q, k, v, mask)
        return values, weights * 1.4427  # some kernels tell the sum in base 2

    assert not agrees(in_powers_of_two, CPU, torch.float32)  # type: ignore[arg-type]


def test_cpus_and_unaligned_shapes_are_computed_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shared_prefix._kernel(CPU, torch.float32) is attend_plainly
    monkeypatch.setattr(shared_prefix, "_kernel", lambda *_: pytest.fail("a kernel that needs aligned masks"))
    q = drawn(2, 4, 11, 8)
    attend_rows(q, q, q, random_mask(2, 11), None)
