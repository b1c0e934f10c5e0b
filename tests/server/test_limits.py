"""Bounds: sizes, half requests, a full queue, and clients that leave before their answer is complete."""

import json
import select
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.support.api_server import WAIT, api_server, gated_chat, tiny_chat

LIMIT = 10_000
LONG = {"temperature": 0, "max_tokens": 400, "min_tokens": 400}


@pytest.fixture(scope="module")
def small():
    with api_server(tiny_chat(), max_body_bytes=LIMIT, request_timeout=0.5) as running:
        yield running


def test_a_body_that_is_too_large_is_refused(small):
    body = json.dumps({"prompt": "x" * LIMIT}).encode()
    for content in (body, iter([body[:20], body[20:]])):  # announced, and in chunks without a length
        answer = small.http.post("/tokenize", content=content)
        assert answer.status_code == 413
        assert f"{LIMIT:,} bytes" in answer.json()["error"]["message"]
    assert small.post("/tokenize", {"prompt": "x" * (LIMIT - 100)}).status_code == 200


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"5", b"\xff", b'{"prompt": NaN}', b'{"prompt": ' + b"[" * 5000, b'{"prompt": "\\ud800"}'],
)
def test_what_is_no_request_is_refused(small, content):
    answer = small.http.post("/tokenize", content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", b""),
        (b"POST /tokenize HT", b""),
        (b"POST /tokenize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le", b""),
        (b'POST /tokenize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{"prompt"', b"HTTP/1.1 408"),
        pytest.param(
            b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /he", b"HTTP/1.1 200", marks=pytest.mark.slow
        ),
    ],
)
def test_a_request_that_does_not_arrive_is_ended(small, sent, answered):
    with socket.create_connection(("127.0.0.1", small.port), timeout=WAIT) as half:
        half.sendall(sent)
        received = b""
        while part := half.recv(4096):
            received += part
    assert received[: len(answered)] == answered
    assert bool(received) == bool(answered)


def test_bodies_that_arrive_at_a_time_are_bounded():
    head = b"POST /tokenize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % LIMIT
    with api_server(tiny_chat(), max_body_bytes=LIMIT) as server, ExitStack() as stack:
        halves = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=WAIT)) for _ in range(9)
        ]
        for half in halves:
            half.sendall(head + b" " * (LIMIT - 1))
        answered, _, _ = select.select(halves, [], [], WAIT)
        assert answered[0].recv(4096).startswith(b"HTTP/1.1 429")


def test_an_error_of_the_model_is_told_without_its_details():
    llm, gate = gated_chat(free=0)
    gate.open.set()
    gate.error = RuntimeError("a secret of the server")
    with api_server(llm) as server:
        whole = server.chat("Hi")
        assert whole.status_code == 500
        assert whole.json()["error"]["type"] == "server_error"
        assert "secret" not in whole.text
        streamed = server.chat("Hi", stream=True)
        assert streamed.status_code == 200
        assert '"type": "server_error"' in streamed.text
        assert streamed.text.endswith("data: [DONE]\n\n")
        gate.error = None
        assert server.chat("Hi").status_code == 200


def test_a_full_queue_refuses_more(client):
    llm, gate = gated_chat(free=0)
    with api_server(llm, max_running=1, max_waiting=1) as server, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(server.chat, "Hi") for _ in range(2)]
        while server.requests() < 2:
            pass
        refused = server.chat("Hi")
        gate.open.set()
        assert [one.result().status_code for one in waiting] == [200, 200]
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert server.chat("Hi").status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_its_computation(path, stream):
    llm, gate = gated_chat(free=3)
    given = {"messages": [{"role": "user", "content": "Hi"}]} if "chat" in path else {"prompt": "Hi"}
    body = json.dumps({**given, **LONG, "stream": stream}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with api_server(llm) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as leaving:
            leaving.sendall(head + body)
            assert gate.reached.wait(WAIT)
        for _ in range(3):  # after these the server has seen that the connection is closed
            assert server.requests() == 1
        gate.open.set()
        while server.requests():
            pass
    assert gate.passes <= 6


def test_a_client_that_leaves_the_queue_costs_nothing():
    llm, gate = gated_chat(free=0)
    with api_server(llm, max_running=1) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.chat, "Hi", max_tokens=2)
        assert gate.reached.wait(WAIT)
        body = json.dumps({"prompt": "Hi", **LONG}).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as leaving:
            leaving.sendall(
                b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            while server.requests() < 2:
                pass
        for _ in range(3):
            server.requests()
        gate.open.set()
        assert first.result().status_code == 200
        while server.requests():
            pass
    assert gate.passes <= 3


def test_a_reader_that_stops_reading_does_not_stop_others(server):
    body = json.dumps({"prompt": "Hi", **LONG, "stream": True, "logprobs": 100}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        slow.sendall(
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        assert server.chat("Hi").status_code == 200
    while server.requests():
        pass


def test_answers_of_many_clients_at_once_are_not_mixed_up(server):
    texts = [f"fox {number}" for number in range(24)]
    alone = {text: server.llm.invoke(text, temperature=0, max_new_tokens=8).text for text in texts}
    found: dict[str, str] = {}

    def ask(text):
        found[text] = server.chat(text).json()["choices"][0]["message"]["content"]

    threads = [threading.Thread(target=ask, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone
