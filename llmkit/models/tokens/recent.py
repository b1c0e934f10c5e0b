"""Recent results, kept up to a size: a prompt that was counted is rendered and encoded already when it is computed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from llmkit.locks import CopyableLock

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """A mapping that drops what was unused for longest; threads may share it.

    Args:
        max_size: the most of all sizes together, in any unit.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size, self._size = max_size, 0
        self._entries: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = CopyableLock()

    def get(self, key: Hashable) -> Value | None:
        """Return the value of a key, or `None`."""
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def put(self, key: Hashable, value: Value, size: int) -> None:
        """Keep the value of a key; one that is larger than all may be is not kept."""
        with self._lock:
            if key in self._entries or size > self._max_size:
                return
            self._entries[key] = (value, size)
            self._size += size
            while self._size > self._max_size:
                self._size -= self._entries.popitem(last=False)[1][1]
