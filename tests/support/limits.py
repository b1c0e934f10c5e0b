"""A bound of time and memory for what a test does in this process."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def limited(seconds: int = 20, megabytes: int = 2048) -> Iterator[None]:
    """Raise `TimeoutError` after some seconds, and `MemoryError` for so much more memory (Linux)."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"it takes more than {seconds} seconds")

    old_limits = resource.getrlimit(resource.RLIMIT_AS)
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + (megabytes << 20), old_limits[1]))
    old_handler = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old_handler)
        resource.setrlimit(resource.RLIMIT_AS, old_limits)


def peak() -> int:
    """Return the most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
