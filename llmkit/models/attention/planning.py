"""Which of PyTorch's attention kernels compute on a GPU: those that need no plan for each shape.

On data-centre GPUs from Hopper on, PyTorch prefers cuDNN's attention in bfloat16. cuDNN plans a kernel on the host for
each number of rows, queries and keys, and keeps plans by thread: tens of milliseconds for each token of a new length.
Flash attention and the memory-efficient one compute any shape at once.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class _CudnnDisabled:
    """Keeps cuDNN's attention out of what is computed within; threads may share it, and enter it again.

    PyTorch's switch is one for the process. So the first to enter sets it, and the last to leave puts it back:
    `torch.nn.attention.sdpa_kernel` in overlapping threads would leave it as another thread had set it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._was_enabled = False

    def __enter__(self) -> None:
        from torch.backends import cuda

        with self._lock:
            if not self._users:
                self._was_enabled = cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
                cuda.enable_cudnn_sdp(False)
            self._users += 1

    def __exit__(self, *error: object) -> None:
        from torch.backends import cuda

        with self._lock:
            self._users -= 1
            if not self._users:
                cuda.enable_cudnn_sdp(self._was_enabled)


_cudnn_disabled = _CudnnDisabled()


def without_planned_attention(device: torch.device) -> AbstractContextManager[None]:
    """Return a context that keeps cuDNN's attention out of forward passes on a GPU, and does nothing elsewhere."""
    return _cudnn_disabled if device.type == "cuda" else nullcontext()
