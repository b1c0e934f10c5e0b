"""Int4 groups are found in dequantized weights only, and packed layers equal the original layers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from llmkit.models.cpu.int4_groups import GROUP_SIZE, concatenate, find_int4_groups
from llmkit.models.cpu.int4_linear import MAX_INT4_ROWS, PackedLinear, has_int4_kernel, pack
from tests.support.gguf_files import quantized_weights

ROUNDING = 2.0**-7  # of a weight, and of the scales of its group


@given(
    st.sampled_from(["Q4_1", "Q8_0"]),
    st.integers(1, 40),
    st.integers(1, 4),
    st.integers(0, 10**6),
    st.floats(1e-3, 10.0),
)
@settings(max_examples=60, deadline=None)
def test_groups_of_gguf_weights_are_found(quantization: str, rows: int, groups: int, seed: int, spread: float) -> None:
    weight = quantized_weights(quantization, rows, groups, seed, spread)
    groups_found = find_int4_groups(weight)
    assert groups_found is not None
    assert len(groups_found) == {"Q4_1": 1, "Q8_0": 2}[quantization]
    dequantized = sum(part.dequantize() for part in groups_found).reshape(weight.shape)
    group_maximum = (
        weight.float().abs().view(rows, groups, GROUP_SIZE).amax(-1, keepdim=True).expand(-1, -1, GROUP_SIZE).flatten(1)
    )
    assert bool(((dequantized - weight.float()).abs() <= ROUNDING * (group_maximum + weight.float().abs())).all())


@given(st.integers(4, 40), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_other_weights_have_no_groups(rows: int, seed: int) -> None:
    torch.manual_seed(seed)
    assert find_int4_groups(torch.randn(rows, 2 * GROUP_SIZE).to(torch.bfloat16)) is None


def test_weights_that_are_not_exactly_quantized_have_no_groups() -> None:
    weight = quantized_weights("Q4_1", 4, 2, 0)
    assert find_int4_groups(weight.float()) is not None
    assert find_int4_groups(weight.float() * 1.0001) is None, "values that bfloat16 cannot represent"
    assert find_int4_groups(weight[:, :-1].contiguous()) is None, "incomplete groups"
    assert find_int4_groups(weight[0]) is None
    weight[3, 5] *= 1.1
    assert find_int4_groups(weight) is None, "one weight differs"
    assert (
        concatenate(
            [
                *filter(
                    None,
                    [
                        find_int4_groups(quantized_weights("Q4_1", 4, 1, 0)),
                        find_int4_groups(quantized_weights("Q8_0", 4, 1, 0)),
                    ],
                )
            ]
        )
        is None
    )


@pytest.mark.parametrize("quantization", ["Q4_1", "Q8_0", ""])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("sizes", [(16,), (16, 32, 48)])
@pytest.mark.skipif(not has_int4_kernel(), reason="PyTorch has no 4-bit kernel for this processor")
def test_a_packed_linear_layer_equals_its_layers(quantization: str, bias: bool, sizes: tuple[int, ...]) -> None:
    layers = [nn.Linear(3 * GROUP_SIZE, size, bias=bias, dtype=torch.bfloat16) for size in sizes]
    for seed, layer in enumerate(layers):
        layer.weight.data = (
            quantized_weights(quantization, layer.out_features, 3, seed) if quantization else layer.weight.data
        )
    torch.manual_seed(0)
    packed = pack("", layers)
    assert len(packed) == {"Q4_1": 1, "Q8_0": 2, "": 0}[quantization]
    for dtype in (torch.bfloat16, torch.float32):
        together = PackedLinear([layer.to(dtype) for layer in layers], packed)
        for rows in (1, 3, MAX_INT4_ROWS, MAX_INT4_ROWS + 1, 40):
            states = torch.randn(rows, 3 * GROUP_SIZE).to(dtype)
            for layer, out in zip(layers, together(states), strict=True):
                torch.testing.assert_close(out, layer(states).detach(), atol=0.3, rtol=0.02)
