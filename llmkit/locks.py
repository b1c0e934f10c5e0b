"""A lock for objects that are copied and pickled."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any


class CopyableLock:
    """A reentrant lock; a copy of it, or one that was pickled, is a new lock that nobody holds."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> CopyableLock:
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[Any, ...]:
        return CopyableLock, ()
