"""Running the server: uvicorn on a socket, with time limits for requests that do not arrive."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from llmkit.errors import InputError
from llmkit.server.app import create_app
from llmkit.server.settings import ServerSettings

try:
    import h11
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError as error:
    raise InputError("llmkit serve needs starlette and uvicorn: python -m pip install 'llmkit[serve]'") from error

if TYPE_CHECKING:
    from llmkit.models.chat import HuggingFaceChat

_BACKLOG = 256  # connections that the system keeps until they are accepted
_MAX_CONNECTIONS = 1024
_GRACE = 5  # seconds for requests that are being answered when the server is asked to stop


class PatientProtocol(H11Protocol):
    """HTTP by uvicorn, which closes a connection whose next request does not arrive in time."""

    def __init__(self, *args: Any, request_timeout: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request_timeout = request_timeout
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the time for the first request."""
        super().connection_made(transport)
        self._time_request()

    def data_received(self, data: bytes) -> None:
        """Start or end the time for a request."""
        super().data_received(data)
        self._time_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the time for a request."""
        super().connection_lost(exc)
        self._stop_timing()

    def _time_request(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_timing()
        elif self._late is None:
            self._late = self.loop.call_later(self._request_timeout, self.transport.close)

    def _stop_timing(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def listen(settings: ServerSettings) -> socket.socket:
    """Return a socket that listens on the address of the settings; clients wait until a server answers.

    Raises:
        InputError: the address cannot be used.
    """
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while")[0]
        raise InputError(
            f"port {settings.port} of {settings.host} cannot be used ({reason}): choose another one"
        ) from error


def address_of(listener: socket.socket) -> str:
    """Return the address of a socket, such as `http://127.0.0.1:8321`; of one that listens on all, this machine's."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # browsers connect to no unspecified address
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(models: HuggingFaceChat | Mapping[str, HuggingFaceChat], settings: ServerSettings) -> Any:
    """Return a uvicorn server for models."""
    protocol: Any = partial(PatientProtocol, request_timeout=settings.request_timeout)
    config = uvicorn.Config(
        create_app(models, settings),
        http=protocol,
        ws="none",
        log_level="critical",  # what fails is answered, and in the log of llmkit.server
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE,
    )
    return uvicorn.Server(config)


def serve(
    models: HuggingFaceChat | Mapping[str, HuggingFaceChat],
    settings: ServerSettings | None = None,
    *,
    listener: socket.socket | None = None,
) -> None:
    """Serve models until the process is interrupted.

    Args:
        models: one model, which clients call by its own name, or several by the names that clients call them; the
            first answers requests that name none. Each has its own queue.
        settings: the address, whom the server answers, and how much it takes.
        listener: what it listens on, as `listen` returns it; by default a socket of that address.

    Raises:
        InputError: the address cannot be used, a name cannot be that of a model, or the extra `serve` is not installed.
    """
    settings = settings or ServerSettings()
    with listener or listen(settings) as opened:
        make_server(models, settings).run(sockets=[opened])
