"""Connections within a time limit, to addresses that were checked.

A host is resolved once for each connection, when the connection is made; all its addresses are checked, and one of them
is connected to. So no second answer of the resolver can lead elsewhere (DNS rebinding). urllib3 keeps the host's name
for the Host header and for TLS: the server's certificate must be that of the name.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from llmkit.errors import PageError
from llmkit.web import ssrf


class Deadline:
    """A time limit for one fetch; when it is over, the fetch's connections are shut down.

    A socket's timeout starts again with each byte, so it does not bound a header, a handshake or a body of a
    server that sends a byte now and then (slowloris).
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._watched: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._shut_down)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            for connection in self._watched:
                connection.close()
            self._watched.clear()

    @property
    def remaining(self) -> float:
        """The seconds that are left; 0 or less when the time is over."""
        return self._end - time.monotonic()

    def limit(self, seconds: float) -> float:
        """Return the timeout of one step: these seconds, or less if fewer are left; never 0, which means none."""
        return max(min(seconds, self.remaining), 0.001)

    def watch(self, connection: socket.socket) -> None:
        """Shut this connection down, too, when the time is over."""
        with self._lock:
            self._watched.append(connection.dup())  # a second handle, for TLS replaces the first
        if self.remaining <= 0:
            self._shut_down()

    def _shut_down(self) -> None:
        with self._lock:
            for connection in self._watched:
                with suppress(OSError):  # it is closed already
                    connection.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class ConnectionGuard:
    """Makes the connections of one fetch, to checked addresses only.

    Attributes:
        connect_timeout: seconds that the resolver, and then each address, may take.
    """

    deadline: Deadline
    allow_private: bool
    connect_timeout: float

    def connect(self, host: str, port: int) -> socket.socket:
        """Connect to a checked address of the host."""
        addresses = ssrf.resolve(host, port, self.deadline.limit(self.connect_timeout))
        ssrf.validate_addresses(addresses, self.allow_private)
        problem: OSError = TimeoutError("no answer")
        for address in addresses:
            if self.deadline.remaining <= 0:
                break
            try:
                timeout = self.deadline.limit(self.connect_timeout)
                connection = socket.create_connection((address, port), timeout=timeout)
            except OSError as error:
                problem = error
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.deadline.watch(connection)
            return connection
        raise PageError(
            f"is not reached at port {port} of {host} ({problem.strerror or problem}): check the URL and the network"
        )


_COOKIES = ("Set-Cookie", "Set-Cookie2")


class _GuardedConnection(HTTPConnection):
    def __init__(self, *args: Any, guard: ConnectionGuard, **settings: Any) -> None:
        self._guard = guard
        super().__init__(*args, **settings)

    def _new_conn(self) -> socket.socket:
        return self._guard.connect(self._dns_host, self.port)

    def getresponse(self) -> Any:
        """Return the response, without its cookies, which are not kept: hostile ones fail inside http.cookiejar."""
        response: Any = super().getresponse()
        for name in _COOKIES:
            response.headers.discard(name)
            del response._original_response.msg[name]  # where requests looks for them
        return response


class _GuardedTlsConnection(_GuardedConnection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _GuardedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTlsConnection


class _Session(requests.Session):
    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        """Follow no redirect: requests would read its body, however long, even where it is not followed."""
        return iter(())


def guarded_session(guard: ConnectionGuard, adapter: HTTPAdapter) -> requests.Session:
    """Return a session that connects through the guard, without proxies or passwords of the environment."""
    adapter.poolmanager.pool_classes_by_scheme = {
        "http": partial(_Pool, guard=guard),
        "https": partial(_TlsPool, guard=guard),
    }
    session = _Session()
    session.trust_env = False
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
