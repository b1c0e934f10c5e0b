"""A synchronous iterator as an asynchronous one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

from langchain_core.runnables.config import run_in_executor

T = TypeVar("T")


async def in_threads(steps: Iterator[T], cancel: threading.Event) -> AsyncIterator[T]:
    """Iterate in a thread; when the caller leaves, set `cancel` and close the iterator after its current step."""
    end = object()
    step: asyncio.Future[Any] | None = None
    try:
        while True:
            step = asyncio.ensure_future(run_in_executor(None, next, steps, end))
            item = await asyncio.shield(step)
            if item is end:
                return
            yield item
    finally:
        cancel.set()
        close = getattr(steps, "close", lambda: None)
        if step is None or step.done():
            close()
        else:
            step.add_done_callback(lambda done: (done.exception(), close()))
