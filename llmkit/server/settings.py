"""Where the server listens, whom it answers, and how much it takes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from llmkit.errors import InputError

DEFAULT_PORT = 8321
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ServerSettings:
    """The settings of a server; each is checked.

    Attributes:
        host: the address that it listens on.
        port: 0 is any free one.
        api_key: what a client must send as `Authorization: Bearer …`; needed where other machines can connect.
        allow_origin: the pages, such as "https://example.com", whose scripts may use the API from a browser.
        max_body_bytes: the largest body of a request.
        max_running: how many requests of each model are computed at a time.
        max_waiting: how many more may wait for their turn.
        request_timeout: the seconds in which a request, headers and body, must have arrived.

    Raises:
        InputError: a value is out of range, or other machines could connect without a key.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    api_key: str | None = None
    allow_origin: tuple[str, ...] = ()
    max_body_bytes: int = 16 * 2**20
    max_running: int = 32
    max_waiting: int = 128
    request_timeout: float = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise InputError(f"port is {self.port}, but must be between 0 and 65535")
        for name, least in (("max_body_bytes", 1), ("max_running", 1), ("max_waiting", 0)):
            if (value := getattr(self, name)) < least:
                raise InputError(f"{name} is {value}, but must be at least {least}")
        if not self.request_timeout > 0:
            raise InputError(f"request_timeout is {self.request_timeout}, but must be more than 0 seconds")
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable() and self.api_key):
            raise InputError("api_key must be ASCII characters that can be printed, at least one")
        if not self.is_loopback and self.api_key is None:
            raise InputError(
                f"host is {self.host!r}, where other machines can connect: give an api_key (the command reads it from "
                "the environment variable LLMKIT_API_KEY, too), or leave host out"
            )
        for origin in self.allow_origin:
            _check_origin(origin)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def allowed_hosts(self) -> frozenset[str] | None:
        """The names that a request may call this server by; `None` for any, where a key is needed."""
        return frozenset((*_LOOPBACK_NAMES, self.host)) if self.is_loopback else None


def _check_origin(origin: str) -> None:
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
        raise InputError(
            f"{origin!r} cannot be an allowed origin: give the beginning of a page's address, such as "
            "https://example.com or http://localhost:3000"
        )
