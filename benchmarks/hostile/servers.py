"""Raw HTTP answers: each header and body of a list beside a page, random combinations, and servers that are slow."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from benchmarks.hostile.attempts import Attempt
from tests.support.http_answers import BODIES, BODY, CHARSETS, CHUNKED, HEADERS, STATUS
from tests.support.raw_server import raw_server

RANDOM = 200
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html"


def attempts() -> Iterator[Attempt]:
    """Yield the attempts; the server of each is in its own process."""
    for name, values in HEADERS.items():
        for value in values:
            answer = _HEAD + b"\r\n" + name + b": " + value + b"\r\n\r\n" + BODY
            yield Attempt(f"{name.decode()}: {value[:40]!r}", partial(_fetch, [answer]))
    for charset in CHARSETS:
        answer = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset={charset}\r\n\r\n".encode("latin-1") + BODY
        yield Attempt(f"charset {charset[:40]!r}", partial(_fetch, [answer]))
    for chunks in CHUNKED:
        answer = _HEAD + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
        yield Attempt(f"chunks {chunks[:40]!r}", partial(_fetch, [answer]))
    for number in range(RANDOM):
        yield Attempt(f"random answer {number}", partial(_fetch, _answers(random.Random(number))))
    for part, begin in {
        "status": b"HTTP/1.1 2",
        "headers": _HEAD + b"\r\nX: ",
        "body": _HEAD + b"\r\n\r\n<p>a",
    }.items():
        yield Attempt(f"a byte each half second of the {part}", partial(_drip, begin))
    yield Attempt("a page that takes long to read", partial(_fetch, [_HEAD + b"\r\n\r\n" + b"<b>" * 99_000], 1.0))


def _answers(chance: random.Random) -> list[bytes]:
    def junk() -> bytes:
        return chance.randbytes(chance.randrange(30))

    def header() -> bytes:
        name = chance.choice(list(HEADERS))
        return name + b": " + chance.choice(HEADERS[name])

    def answer() -> bytes:
        status = chance.choice([b"200 OK", b"200 OK", *STATUS, junk()])
        headers = [chance.choice([header, header, header, junk])() for _ in range(chance.randrange(5))]
        body = chance.choice([*BODIES, *CHUNKED, junk()])
        return b"HTTP/1.1 " + chance.choice([b"\r\n", b"\r\n", b"\n"]).join([status, *headers, b"", body])

    return [answer() for _ in range(chance.randrange(1, 4))]


def _fetch(answers: list[bytes], timeout: float = 2.0) -> str:
    from llmkit.web import fetch

    with raw_server() as server:
        server.answers = answers
        return fetch(server.url, allow_private=True, cache=False, timeout=timeout, respect_robots=False).page_content


def _drip(begin: bytes) -> str:
    from llmkit.web import fetch

    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.sendall(begin)
            while True:
                time.sleep(0.5)
                connection.sendall(b"0")

    threading.Thread(target=serve, daemon=True).start()
    url = f"http://127.0.0.1:{server.getsockname()[1]}/page"
    return fetch(url, allow_private=True, cache=False, timeout=3, respect_robots=False).page_content
