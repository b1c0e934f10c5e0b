"""A server on this machine that sends the bytes it is given, whatever they are."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class RawServer:
    """Answers each request with `answers`, in turn; the last one is repeated."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/page"
        self._answers: list[bytes] = [b""]
        self._number = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def answers(self) -> list[bytes]:
        """What is answered."""
        return self._answers

    @answers.setter
    def answers(self, answers: list[bytes]) -> None:
        self._answers, self._number = answers, 0

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            answer = self._answers[min(self._number, len(self._answers) - 1)]
            self._number += 1
            threading.Thread(target=_answer, args=(connection, answer), daemon=True).start()

    def close(self) -> None:
        """Stop to accept connections."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _answer(connection: socket.socket, answer: bytes) -> None:
    with connection, suppress(OSError):
        connection.settimeout(5)
        request = b""
        while b"\r\n\r\n" not in request and (part := connection.recv(1 << 16)):
            request += part
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass


@contextmanager
def raw_server() -> Iterator[RawServer]:
    """Run a server for a while."""
    server = RawServer()
    try:
        yield server
    finally:
        server.close()
