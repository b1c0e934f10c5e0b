"""Server-sent events, as OpenAI's API streams them: `data: {…}` for each, and `data: [DONE]` at the end."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from llmkit.server.errors import ClientGone, refusal_of

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # proxies pass each event on at once
]


class EventStream:
    """A response of events, each a JSON object; an error in the middle is the last event.

    Args:
        events: closed when they end, and when the client leaves.
    """

    def __init__(self, events: AsyncGenerator[dict[str, Any], None]) -> None:
        self._events = events

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the response (ASGI)."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        with suppress(ClientGone, OSError):
            async with aclosing(self._events) as events:
                try:
                    async for event in events:
                        await _send(send, json.dumps(event, ensure_ascii=False))
                except (ClientGone, OSError):
                    raise
                except Exception as error:
                    await _send(send, json.dumps(refusal_of(error).body()))
                await _send(send, "[DONE]")
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send(send: Any, data: str) -> None:
    await send({"type": "http.response.body", "body": f"data: {data}\n\n".encode(), "more_body": True})
