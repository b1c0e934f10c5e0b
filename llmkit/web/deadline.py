"""A time limit for all that belongs to one fetch, held even against a server that sends a byte now and then."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress


class Deadline:
    """Cuts the connections that it watches when its seconds are over.

    A socket's own time limit begins anew with each byte, so that it cannot bound a header, a handshake or a body.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._watched: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._cut)
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
        """The seconds that are left; none or fewer when it is over."""
        return self._end - time.monotonic()

    def watch(self, connection: socket.socket) -> None:
        """Cut this connection, too, when the time is over."""
        # A second handle on the same connection: TLS takes the first one away.
        with self._lock:
            self._watched.append(connection.dup())
        if self.remaining <= 0:
            self._cut()

    def _cut(self) -> None:
        with self._lock:
            for connection in self._watched:
                with suppress(OSError):  # it is closed already
                    connection.shutdown(socket.SHUT_RDWR)
