"""Clients of a server: those that wait for their answer and check it, and those that break off, are slow or send much.

Each client is a thread. One that waits asks the same question again and again, and knows the answer, so that an answer
to another one's question is noticed.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

PATIENCE = 900.0  # seconds for an answer: each waits for the others, on a machine that may be busy
_REST = 5
_CHUNK = bytes(1 << 16)

Goes = Callable[[int], bool]
"""Whether a client that has sent so many requests sends another one."""


@dataclass
class Counts:
    """What came of the requests; threads add to it.

    Attributes:
        seconds: how long each answer took that was as expected.
        lost: why a request of a client that waited has no answer.
        mixed_up: answers that are not those to the question, with the question.
        disturbances: how many requests of each other kind were sent.
        unexpected: answers to these that are not what they should be.
    """

    seconds: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    mixed_up: list[tuple[str, str]] = field(default_factory=list)
    disturbances: dict[str, int] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add_disturbance(self, kind: str) -> None:
        """Count a request of a client that does not wait for an answer."""
        with self.lock:
            self.disturbances[kind] = self.disturbances.get(kind, 0) + 1


def chat_body(question: str, max_tokens: int, **options: Any) -> dict[str, Any]:
    """Return a request whose answer is always the same."""
    message = {"role": "user", "content": question}
    return {"messages": [message], "temperature": 0, "max_tokens": max_tokens, **options}


@dataclass(frozen=True)
class Load:
    """What is sent to a server.

    Attributes:
        address: of the server, such as `http://127.0.0.1:8321`.
        answers: for each client that waits its question, and the answer to it.
        max_tokens: of each answer.
        goes: when a client stops.
        disturbers: how many clients there are of each other kind.
        large: the bytes of a body that is too large.
        pause: the seconds between two bytes of a slow reader; the others that disturb pause `_REST` times as long.
    """

    address: str
    answers: Mapping[str, str]
    max_tokens: int
    goes: Goes
    disturbers: int = 4
    large: int = 100_000_000
    pause: float = 1.0

    def run(self) -> Counts:
        """Send all, and wait until every client has stopped."""
        counts = Counts()
        ended = threading.Event()
        waiting = [
            threading.Thread(target=self._wait_for_answers, args=(counts, question, answer, bool(index % 2)))
            for index, (question, answer) in enumerate(self.answers.items())
        ]
        kinds = (self._leave, self._read_slowly, self._send_half, self._send_much)
        others = [
            threading.Thread(target=self._disturb, args=(counts, kind, ended))
            for kind in kinds
            for _ in range(self.disturbers)
        ]
        for thread in (*waiting, *others):
            thread.start()
        for thread in waiting:
            thread.join()
        ended.set()
        for thread in others:
            thread.join()
        return counts

    def _wait_for_answers(self, counts: Counts, question: str, answer: str, streams: bool) -> None:
        sent = 0
        with httpx.Client(base_url=self.address, timeout=PATIENCE, trust_env=False) as http:
            while self.goes(sent):
                sent += 1
                started = time.perf_counter()
                try:
                    found = self._ask(http, question, streams)
                except (httpx.HTTPError, LookupError, ValueError) as error:
                    counts.lost.append(f"{type(error).__name__}: {error}")
                    continue
                if found == answer:
                    counts.seconds.append(time.perf_counter() - started)
                else:
                    counts.mixed_up.append((question, found))

    def _ask(self, http: httpx.Client, question: str, streams: bool) -> str:
        body = chat_body(question, self.max_tokens, stream=streams)
        response = http.post("/v1/chat/completions", json=body)
        response.raise_for_status()
        if not streams:
            return str(response.json()["choices"][0]["message"]["content"])
        *events, last = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
        if last != "[DONE]":
            raise ValueError("the stream has no end")
        return "".join(json.loads(event)["choices"][0]["delta"].get("content", "") for event in events)

    def _disturb(self, counts: Counts, kind: Callable[[socket.socket, threading.Event], str], end: Any) -> None:
        """Send requests of a kind until all who wait have their answers; one at least."""
        name = kind.__name__.removeprefix("_").replace("_", " ")
        parts = urlsplit(self.address)
        while True:
            with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE) as connection:
                if wrong := kind(connection, end):
                    counts.unexpected.append(f"{name}: {wrong}")
            counts.add_disturbance(name)
            if end.wait(_REST * self.pause):
                return

    def _request(self, **options: Any) -> bytes:
        body = json.dumps(chat_body("Count to a hundred.", 8 * self.max_tokens, stream=True, **options)).encode()
        return _head(len(body)) + body

    def _leave(self, connection: socket.socket, _: Any) -> str:
        """Close the connection within the answer, without a farewell."""
        connection.sendall(self._request())
        received = connection.recv(64)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return _unless(received, b"HTTP/1.1 200")

    def _read_slowly(self, connection: socket.socket, end: threading.Event) -> str:
        """Read one byte after the other, with pauses."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        connection.sendall(self._request(logprobs=True, top_logprobs=20))
        received = b""
        while part := connection.recv(1):
            received += part
            if end.wait(self.pause):
                break
        return _unless(received[:12], b"HTTP/1.1 200"[: len(received)])

    def _send_half(self, connection: socket.socket, end: threading.Event) -> str:
        """Send half a request, wait for more than the server does, and leave."""
        request = self._request()
        connection.sendall(request[: len(request) // 2])
        end.wait(_REST * self.pause)
        return ""

    def _send_much(self, connection: socket.socket, _: Any) -> str:
        """Send a body that is too large, in chunks that announce no length, until it is refused."""
        connection.sendall(_head(None))
        try:
            for chunk in self._chunks():
                connection.sendall(chunk)
            connection.sendall(b"0\r\n\r\n")
            answer = connection.recv(64)
        except (ConnectionResetError, BrokenPipeError):  # it is refused before it is all there
            return ""
        return _unless(answer, b"HTTP/1.1 413")

    def _chunks(self) -> Iterator[bytes]:
        chunk = b"%x\r\n%b\r\n" % (len(_CHUNK), _CHUNK)
        for _ in range(0, self.large, len(_CHUNK)):
            yield chunk


def _head(length: int | None) -> bytes:
    size = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    return b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n" + size + b"\r\n\r\n"


def _unless(received: bytes, expected: bytes) -> str:
    return "" if received.startswith(expected) else repr(received)


def requests_inside(address: str) -> int:
    """Return how many computations the server runs, or has waiting."""
    with closing(httpx.get(f"{address}/health", timeout=PATIENCE, trust_env=False)) as response:
        return int(response.json()["requests"])
