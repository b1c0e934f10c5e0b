"""A forward pass that is recorded once as a CUDA graph, and then replayed.

A small model's pass has more than a thousand kernels, and launching them from Python takes ten times as long as they
compute. A graph is launched as a whole. It reads and writes the very tensors of the pass that was recorded.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from llmkit.models.library_errors import is_out_of_memory, reason_of
from llmkit.models.loaded_model import LoadedModel

logger = logging.getLogger(__name__)

_recording = threading.Lock()  # PyTorch allows one recording at a time in a process

_MAX_DIFFERENCE = 0.1
"""The most that rounding may change logits, as a share of their spread."""

_WARM_UPS = 2  # the first passes allocate what libraries keep, which a graph must not


class Recorder:
    """Records passes on one device, until that fails.

    Args:
        device: where they compute; on others than CUDA nothing is recorded.
    """

    def __init__(self, device: torch.device) -> None:
        self.is_usable = device.type == "cuda"
        self._device = device
        self._memory: Any = None  # of all graphs: one is replayed at a time, and its result read before the next
        self._stream: Any = None  # of all recordings: only those on one stream share memory

    def record(self, compute: Callable[[], torch.Tensor]) -> Recording | None:
        """Record a pass over the present inputs; log a warning and return `None` where that fails.

        A recording whose first replay computes something else than the pass itself is not used either.

        Raises:
            RuntimeError: the memory does not suffice.
        """
        try:
            expected = compute().clone()
            recording = self._record(compute)
            if _difference(expected, recording.replay()) < _MAX_DIFFERENCE:
                return recording
            raise RuntimeError("it computes other results")
        except Exception as error:
            cause = error
            while isinstance(cause.__context__, Exception):  # the last error says only that a recording has failed
                cause = cause.__context__
        if is_out_of_memory(cause):
            raise cause
        self.is_usable = False
        logger.warning(
            "decoding is slower than it could be: a step cannot be recorded as a CUDA graph (%s)", reason_of(cause)
        )
        return None

    def _record(self, compute: Callable[[], torch.Tensor]) -> Recording:
        with _recording, torch.cuda.device(self._device):
            self._stream = self._stream or torch.cuda.Stream()  # type: ignore[no-untyped-call]
            current, stream = torch.cuda.current_stream(), self._stream
            stream.wait_stream(current)
            self._memory = self._memory or torch.cuda.graph_pool_handle()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.stream(stream):  # left even if a recording fails, which `torch.cuda.graph` does not do
                for _ in range(_WARM_UPS):
                    compute()
                # Other threads may use the device meanwhile, such as for another model.
                with torch.cuda.graph(graph, self._memory, stream, capture_error_mode="thread_local"):
                    result = compute()
            current.wait_stream(stream)
        return Recording(graph, result)


def _difference(expected: torch.Tensor, computed: torch.Tensor) -> float:
    """Return how far logits `[rows, vocabulary]` differ, as a share of their spread: the median of the rows.

    A model may compute rows that are no numbers; these tell nothing.
    """
    valid = expected.isfinite().all(-1)
    shares = ((expected - computed).std(-1) / expected.std(-1))[valid].nan_to_num(nan=math.inf)
    return float(shares.median()) if len(shares) else 0.0


@dataclass(frozen=True, eq=False)
class Recording:
    """A recorded pass, and the tensor that each replay writes."""

    graph: Any
    result: torch.Tensor

    def replay(self) -> torch.Tensor:
        """Compute the pass again."""
        self.graph.replay()
        return self.result


class CapturedPass:
    """Computes a pass by its recording, which is made at the first call and after each change of the weights.

    Args:
        loaded: the model.
        compute: the pass; it reads tensors that stay where they are, and may compute the same again without harm.
        recorder: records it.
    """

    def __init__(self, loaded: LoadedModel, compute: Callable[[], torch.Tensor], recorder: Recorder) -> None:
        self._loaded, self._compute, self._recorder = loaded, compute, recorder
        self._recording: Recording | None = None
        self._weights_version = -1

    def __call__(self) -> torch.Tensor:
        """Compute the pass; its result is valid until the next pass of this model."""
        if not self._recorder.is_usable:
            return self._compute()
        if self._recording is None or self._weights_version != self._loaded.weights_version:
            self._recording = None  # its memory may be needed for the next
            self._weights_version = self._loaded.weights_version
            self._recording = self._recorder.record(self._compute)
        return self._recording.replay() if self._recording else self._compute()
