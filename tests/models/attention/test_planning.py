"""cuDNN's attention is kept out of forward passes on a GPU, and the user's setting comes back after the last one."""

from collections.abc import Iterator

import pytest
import torch
from torch.backends import cuda

from llmkit.models.attention.planning import without_planned_attention

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")


@pytest.fixture(autouse=True)
def same_setting_afterwards() -> Iterator[None]:
    before = cuda.cudnn_sdp_enabled()
    yield
    cuda.enable_cudnn_sdp(before)


@pytest.mark.parametrize("setting", [True, False])
def test_the_setting_of_the_user_comes_back(setting: bool) -> None:
    cuda.enable_cudnn_sdp(setting)
    with without_planned_attention(GPU):
        assert not cuda.cudnn_sdp_enabled()
    assert cuda.cudnn_sdp_enabled() == setting
    with pytest.raises(ZeroDivisionError), without_planned_attention(GPU):
        raise ZeroDivisionError
    assert cuda.cudnn_sdp_enabled() == setting


def test_passes_that_overlap_in_any_order_leave_the_setting_as_it_was() -> None:
    cuda.enable_cudnn_sdp(True)
    first, second = without_planned_attention(GPU), without_planned_attention(GPU)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not cuda.cudnn_sdp_enabled(), "the second pass still computes"
    second.__exit__(None, None, None)
    assert cuda.cudnn_sdp_enabled()


def test_other_devices_are_left_alone() -> None:
    cuda.enable_cudnn_sdp(True)
    with without_planned_attention(CPU):
        assert cuda.cudnn_sdp_enabled()
