"""Computations in threads: so many at a time, so many more wait, and none goes on for a client that has left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request

from llmkit.models.cancellation import cancelled_by
from llmkit.server.errors import ClientGone, Refusal, refusal_of

T = TypeVar("T")
Steps = Callable[[], Iterator[T]]
"""A computation in steps."""

_RETRY_AFTER = "5"  # seconds


@dataclass(frozen=True)
class _Failed:
    error: BaseException


_END, _GONE = object(), object()


class Workers:
    """Runs the computations of requests.

    Args:
        running: how many at a time.
        waiting: how many more may wait; others are refused with status 429.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(running, "llmkit-server")
        self._most, self._inside = running + waiting, 0
        self._lock = threading.Lock()

    @property
    def inside(self) -> int:
        """How many computations run or wait."""
        return self._inside

    async def result(self, request: Request, compute: Callable[[], T]) -> T:
        """Return the result of a computation; raise what it raises, or `ClientGone`."""

        def steps() -> Iterator[T]:
            yield compute()

        async with aclosing(self.stream(request, steps)) as found:
            return await anext(found)

    async def stream(self, request: Request, steps: Steps[T]) -> AsyncGenerator[T, None]:
        """Yield the steps of a computation as they come; leaving the iteration stops it.

        Raises:
            Refusal: too many computations wait.
            ClientGone: the client has closed its connection.
        """
        self._enter()
        cancel, items = threading.Event(), asyncio.Queue[Any]()
        loop = asyncio.get_running_loop()

        def put(item: Any) -> None:
            with suppress(RuntimeError):  # the server has stopped
                loop.call_soon_threadsafe(items.put_nowait, item)

        try:
            self._pool.submit(self._run, steps, cancel, put)
        except BaseException:
            self._leave()
            raise
        watch = asyncio.create_task(_watch(request, lambda: items.put_nowait(_GONE)))
        try:
            while (item := await items.get()) is not _END:
                if item is _GONE:
                    raise ClientGone
                if isinstance(item, _Failed):
                    raise refusal_of(item.error) from item.error
                yield item
        finally:
            cancel.set()
            watch.cancel()

    def close(self) -> None:
        """Take no more computations."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, steps: Steps[Any], cancel: threading.Event, put: Callable[[Any], None]) -> None:
        try:
            if not cancel.is_set():
                with cancelled_by(cancel), closing(steps()) as items:  # type: ignore[type-var]
                    for item in items:
                        put(item)
                        if cancel.is_set():
                            break
            put(_END)
        except BaseException as error:
            put(_Failed(error))
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if self._inside >= self._most:
                message = f"{self._inside} requests are being computed or wait: try again later"
                raise Refusal(429, message, code="queue_full", headers={"Retry-After": _RETRY_AFTER})
            self._inside += 1

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1


async def _watch(request: Request, gone: Callable[[], None]) -> None:
    """Call `gone` when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone()


async def started(steps: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Return the same steps when the first is there; it may raise, and then nothing was answered yet."""
    first = await anext(steps)

    async def all_steps() -> AsyncGenerator[T, None]:
        async with aclosing(steps):
            yield first
            async for step in steps:
                yield step

    return all_steps()
