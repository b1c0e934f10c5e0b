"""How much memory this process takes: of the processor, or of a GPU where a model is on one."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def reset_peak_memory() -> None:
    """Measure the peak from now on; on Linux alone, elsewhere it is that since the process began."""
    with suppress(OSError):
        _RESET.write_text("5")  # https://www.kernel.org/doc/html/latest/filesystems/proc.html


def peak_memory() -> int:
    """Return the peak of memory in bytes.

    It is what PyTorch has reserved on the GPU, where this process computes on one; else the resident memory of the
    process, weights and libraries included. 0 on systems that do not say.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return int(torch.cuda.memory_reserved())
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    with suppress(ImportError):  # Windows has none
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return 0
