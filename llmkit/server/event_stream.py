"""Server-sent events, as OpenAI's API streams them: `data: {…}` for each, and `data: [DONE]` at the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from llmkit.server.errors import ClientGone, refusal_of

_PATIENCE = 60.0
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # proxies pass each event on at once
]


class EventStream:
    """A response of events, each a JSON object; an error in the middle is the last event.

    Args:
        events: closed when they end, and when the client leaves.
        patience: the seconds after which a client that reads nothing is left.
    """

    def __init__(self, events: AsyncGenerator[dict[str, Any], None], patience: float = _PATIENCE) -> None:
        self._events, self._patience = events, patience

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the response (ASGI)."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        with suppress(ClientGone, OSError):  # also a TimeoutError
            async with aclosing(self._events) as events:
                try:
                    async for event in events:
                        await self._send(send, json.dumps(event, ensure_ascii=False))
                except (ClientGone, OSError):
                    raise
                except Exception as error:
                    await self._send(send, json.dumps(refusal_of(error).body()))
                await self._send(send, "[DONE]")
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Any, data: str) -> None:
        async with asyncio.timeout(self._patience):
            await send({"type": "http.response.body", "body": f"data: {data}\n\n".encode(), "more_body": True})
