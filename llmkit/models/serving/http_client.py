"""JSON over HTTP to a model server: requests in flight are bounded, retried when it is busy, and timed out.

A busy server answers 429 or 503, and may say in `Retry-After` how long to wait (RFC 9110, 10.2.3). Waits grow
exponentially, with jitter, so that clients that were refused together do not come back together.
"""

from __future__ import annotations

import asyncio
import json
import random
import weakref
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from llmkit.errors import ServerError, ServerUnusable
from llmkit.models.serving.address import ServerAddress
from llmkit.models.serving.background_loop import background_loop
from llmkit.models.serving.client_options import ClientOptions

if TYPE_CHECKING:
    import httpx

MAX_ANSWER = 256 * 2**20  # bytes: the log-probabilities of a whole vocabulary are a few MiB
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 30.0
_CONNECT = 10.0  # seconds to wait for a connection
_BUSY = (429, 503)
_SHOWN = 300  # characters of a server's own message


class HttpStatusError(ServerError):
    """Raised for an answer with an error status.

    Attributes:
        status: the status code.
        reason: the server's own message.
    """

    def __init__(self, message: str, status: int, reason: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class KeyRefused(ServerUnusable):
    """Raised for a key that is missing or wrong."""


class ServerClient:
    """Sends requests to one server; all coroutines run on the background loop."""

    def __init__(self, address: ServerAddress, options: ClientOptions) -> None:
        import httpx

        self.address, self.options = address, options
        key = {"Authorization": f"Bearer {options.api_key}"} if options.api_key else {}
        limits = httpx.Limits(max_connections=options.in_flight, max_keepalive_connections=options.in_flight)
        self._http = httpx.AsyncClient(
            headers={**key, **dict(options.headers)},
            params=dict(options.query),
            timeout=httpx.Timeout(options.timeout, pool=None, connect=min(_CONNECT, options.timeout)),
            limits=limits,
            proxy=options.proxy,
        )
        self._has_answered = False
        self._in_flight = asyncio.Semaphore(options.in_flight)
        weakref.finalize(self, _close, self._http)

    async def get(self, route: str) -> Any:
        """Return the JSON of a route; a route that begins with `/` is the root's, another one the API's."""
        return await self._request("GET", route, None)

    async def post(self, route: str, body: Mapping[str, Any]) -> Any:
        """Send JSON to a route, and return the JSON that it answers.

        Raises:
            ServerUnusable: the server refuses the key, or answers with something else than JSON.
            HttpStatusError: it answers with an error.
            ServerError: it cannot be reached, takes too long, or stops in the middle of an answer.
        """
        return await self._request("POST", route, body)

    async def _request(self, method: str, route: str, body: Mapping[str, Any] | None) -> Any:
        url = f"{self.address.root}{route}" if route.startswith("/") else f"{self.address.api}/{route}"
        attempt = 0
        async with self._in_flight:
            while True:
                try:
                    return await self._send(method, url, body)
                except _NotNow as busy:
                    if attempt >= self.options.max_retries:
                        raise busy.error from busy.__cause__
                    await asyncio.sleep(max(busy.wait, _FIRST_WAIT * 2**attempt * random.uniform(0.5, 1.5)))
                attempt += 1

    async def _send(self, method: str, url: str, body: Mapping[str, Any] | None) -> Any:
        """Send a request once; raise `_NotNow` if another try may succeed."""
        import httpx

        place = str(self.address)
        try:
            async with self._http.stream(method, url, json=body) as response:
                self._has_answered = True
                content = await _read(response, place)
        except httpx.ConnectTimeout as error:
            raise ServerError(f"no server answers at {place} within {_CONNECT:g} seconds: is it running?") from error
        except httpx.TimeoutException as error:
            waited = f"within {self.options.timeout:g} seconds"
            raise ServerError(f"{place} did not answer {waited}: raise timeout, or ask for less") from error
        except httpx.ConnectError as error:
            reason = str(error) or type(error).__name__
            unreachable = ServerError(f"no server can be reached at {place} ({reason}): is it running?")
            if not self._has_answered:  # a wrong address, not a server that starts again
                raise unreachable from error
            raise _NotNow(unreachable) from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            reason = str(error) or type(error).__name__
            message = f"{place} stopped in the middle of an answer ({reason}): see its log, and try again"
            raise _NotNow(ServerError(message)) from error
        if response.status_code in _BUSY:
            reason = _reason(content)
            message = f"{place} is busy (status {response.status_code}): {reason}"
            raise _NotNow(HttpStatusError(message, response.status_code, reason), _retry_after(response))
        return _parse(response, content, place)


class _NotNow(Exception):
    """Raised for an error that may not come again, with the seconds that the server asks to wait."""

    def __init__(self, error: ServerError, wait: float = 0.0) -> None:
        super().__init__(str(error))
        self.error, self.wait = error, wait


async def _read(response: httpx.Response, place: str) -> bytes:
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > MAX_ANSWER:
            raise ServerUnusable(f"{place} answers with more than {MAX_ANSWER >> 20} MiB: it is no model server")
    return bytes(content)


def _parse(response: httpx.Response, content: bytes, place: str) -> Any:
    """Return the JSON of an answer, or raise what is wrong with it."""
    status = response.status_code
    if status in (401, 403):
        raise KeyRefused(f"{place} refuses the key (status {status}): pass api_key= (with commands, LLMKIT_API_KEY)")
    if 300 <= status < 400:
        target = response.headers.get("location", "another address")
        raise ServerUnusable(f"{place} redirects to {target}: give that as base_url, if it is the server's API")
    is_json = "json" in response.headers.get("content-type", "json")
    if status >= 400:
        reason = _reason(content) if is_json else response.reason_phrase
        raise HttpStatusError(f"{place} answers with status {status}: {reason}", status, reason)
    if not is_json:
        found = response.headers["content-type"].partition(";")[0]
        raise ServerUnusable(
            f"{place} answers with {found}, not JSON: base_url must be that of an OpenAI-compatible API, which usually "
            "ends in /v1"
        )
    try:
        return json.loads(content)
    except ValueError as error:
        raise ServerError(f"{place} answers with JSON that is cut or damaged: see its log, and try again") from error


def _reason(content: bytes) -> str:
    """Return a server's own message: OpenAI's form `{"error": {"message": …}}`, FastAPI's `detail`, or the text."""
    text = content.decode("utf-8", errors="replace")
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = text
    for name in ("error", "message", "detail"):
        found = found.get(name, found) if isinstance(found, dict) else found
    shown = " ".join(str(found).split())
    return f"{shown[:_SHOWN]}…" if len(shown) > _SHOWN else shown or "no reason given"


def _retry_after(response: httpx.Response) -> float:
    """Return the seconds that `Retry-After` asks to wait, which may also be a date; bounded, and 0 without it."""
    value = response.headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            seconds = 0.0
    return min(max(seconds, 0.0), _LONGEST_WAIT) if seconds == seconds else 0.0


def _close(http: httpx.AsyncClient) -> None:
    """Close connections on the loop that opened them."""
    loop = background_loop()
    loop.call_soon_threadsafe(lambda: loop.create_task(http.aclose()))
