"""Connections that go to an address which was checked, and to no other.

A name is resolved once for each connection, where the connection is made; all its addresses are checked, and one of
them is connected to. So no second answer of the resolver can lead elsewhere (DNS rebinding). urllib3 keeps the name,
for the Host header and for TLS: the server's certificate must be that of the name.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from llmkit.errors import PageError
from llmkit.web import ssrf as addresses
from llmkit.web.deadline import Deadline


@dataclass(frozen=True)
class Gate:
    """What all connections of one fetch have to pass.

    Attributes:
        connect_timeout: seconds that the resolver, and then each address, may take.
    """

    deadline: Deadline
    allow_private: bool
    connect_timeout: float

    def connect(self, host: str, port: int) -> socket.socket:
        """Give a connection to a checked address of the host.

        Raises:
            PageRefused: an address of the host may not be asked.
            PageError: the host is not found or not reached.
        """
        found = addresses.resolve(host, port, self._limit())
        addresses.check(found, self.allow_private)
        problem: OSError = TimeoutError("no answer")
        for address in found:
            if self.deadline.remaining <= 0:
                break
            try:
                connection = socket.create_connection((address, port), timeout=self._limit())
            except OSError as error:
                problem = error
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.deadline.watch(connection)
            return connection
        raise PageError(
            f"is not reached at port {port} of {host} ({problem.strerror or problem}): check the URL and the network"
        )

    def _limit(self) -> float:
        return max(min(self.connect_timeout, self.deadline.remaining), 0.001)


class _Checked(HTTPConnection):
    def __init__(self, *args: Any, gate: Gate, **settings: Any) -> None:
        self._gate = gate
        super().__init__(*args, **settings)

    def _new_conn(self) -> socket.socket:
        return self._gate.connect(self._dns_host, self.port)


class _CheckedTls(_Checked, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Checked


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _CheckedTls


class _Session(requests.Session):
    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        """Follow none: requests would read the body of a redirect, however long, even where it is not followed."""
        return iter(())


def session(gate: Gate, adapter: HTTPAdapter) -> requests.Session:
    """Give a session in which every connection passes the gate; it takes no proxy or password from the environment."""
    adapter.poolmanager.pool_classes_by_scheme = {
        "http": partial(_Pool, gate=gate),
        "https": partial(_TlsPool, gate=gate),
    }
    made = _Session()
    made.trust_env = False
    made.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    return made
