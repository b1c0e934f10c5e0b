"""Requests are bounded, retried when the server is busy, timed out and cancelled; each failure is a clear error."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest

from llmkit.errors import ServerError
from llmkit.models.serving import http_client
from llmkit.models.serving.address import ServerAddress
from llmkit.models.serving.background_loop import gather, run
from llmkit.models.serving.client_options import ClientOptions
from llmkit.models.serving.http_client import HttpStatusError, ServerClient
from tests.support.counting_model import counting_llm, counting_server, served
from tests.support.model_server_formats import ModelServer

Hook = Callable[[str, Any, Any], bool]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_FIRST_WAIT", 0.001)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with counting_server() as server:
        yield server


def client_of(server: ModelServer, **options: Any) -> ServerClient:
    return ServerClient(ServerAddress.parse(server.url), ClientOptions(**options))


def refuse(times: int, status: int, **headers: str) -> Hook:
    """Return a hook that answers the first requests with an error status."""
    left = iter(range(times))

    def hook(path: str, body: Any, handler: Any) -> bool:
        if next(left, None) is None:
            return False
        handler.send(status, {"error": {"message": "try later"}}, **headers)
        return True

    return hook


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Retry_After": "0"},
        {"Retry_After": format_datetime(datetime(2020, 1, 1, tzinfo=UTC))},
        {"Retry_After": "x"},
    ],
)
def test_a_busy_server_is_asked_again(server: ModelServer, status: int, headers: dict[str, str]) -> None:
    server.before.append(refuse(3, status, **headers))
    model = served(server)
    found = model.score(["Repeat: one"], [" two"])
    np.testing.assert_allclose(found, counting_llm().score(["Repeat: one"], [" two"]), atol=1e-3)


def test_retry_after_is_obeyed(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("llmkit.models.serving.http_client.asyncio.sleep", sleep)
    server.before.append(refuse(1, 429, Retry_After="7"))
    run(client_of(server).get("models"))
    assert waits == [7.0]
    server.before.append(refuse(1, 503, Retry_After="86400"))
    run(client_of(server).get("models"))
    assert waits[1] == http_client._LONGEST_WAIT


def test_a_port_that_nobody_listens_on_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(seconds: float) -> None:
        raise AssertionError("it waits for another try")

    monkeypatch.setattr("llmkit.models.serving.http_client.asyncio.sleep", sleep)

    def close(path: str, body: Any, handler: Any) -> bool:
        handler.close_connection = True
        return False

    with counting_server() as server:
        client, other = client_of(server), client_of(server)
        server.before.append(close)
        run(client.get("models"))
    with pytest.raises(ServerError, match="no server can be reached"):
        run(other.get("models"))
    with pytest.raises(AssertionError, match="another try"):  # this one did answer, so it may be starting again
        run(client.get("models"))


def test_a_server_that_stays_busy_is_an_error_with_its_reason(server: ModelServer) -> None:
    server.before.append(refuse(100, 429))
    with pytest.raises(HttpStatusError, match=r"is busy \(status 429\): try later"):
        run(client_of(server, max_retries=2).get("models"))
    assert len(server.requests) == 3


def test_a_server_that_stops_in_the_middle_is_asked_again_and_then_an_error(server: ModelServer) -> None:
    cuts = iter(range(1))

    def cut_once(path: str, body: Any, handler: Any) -> bool:
        if next(cuts, None) is None:
            return False
        handler.cut()
        return True

    model = served(server)
    assert model.exactness == "exact"
    expected = counting_llm().score(["Repeat: one"], [" two", " trees"])
    server.before.append(cut_once)
    np.testing.assert_allclose(model.score(["Repeat: one"], [" two", " trees"]), expected, atol=1e-3)
    server.before.append(lambda path, body, handler: handler.cut() or True)
    with pytest.raises(ServerError, match="stopped in the middle of an answer"):
        model.score(["Repeat: one"], [" two", " trees"])
    with pytest.raises(ServerError, match=r"stopped in the middle|no server can be reached"):
        model.invoke("Repeat: one")
    server.before.clear()
    np.testing.assert_allclose(model.score(["Repeat: one"], [" two", " trees"]), expected, atol=1e-3)


def test_no_server_is_a_clear_error() -> None:
    with counting_server() as server:
        model = served(server, max_retries=1)
    for call in (lambda: model.score(["a"], [" b"]), lambda: model.invoke("a")):
        with pytest.raises(ServerError, match=r"no server can be reached at http://127.0.0.1:\d+/v1 .*is it running\?"):
            call()


def test_a_slow_server_is_timed_out(server: ModelServer) -> None:
    released = threading.Event()

    def wait(path: str, body: Any, handler: Any) -> bool:
        released.wait(30)
        return False

    server.before.append(wait)
    try:
        with pytest.raises(ServerError, match=r"did not answer within 0\.2 seconds"):
            run(client_of(server, timeout=0.2).get("models"))
    finally:
        released.set()


def test_requests_in_flight_are_bounded(server: ModelServer) -> None:
    lock, counts = threading.Lock(), {"now": 0, "most": 0}

    def count(path: str, body: Any, handler: Any) -> bool:
        with lock:
            counts["now"] += 1
            counts["most"] = max(counts["most"], counts["now"])
        time.sleep(0.02)
        with lock:
            counts["now"] -= 1
        return False

    server.before.append(count)
    client = client_of(server, in_flight=3)

    async def ask_often() -> list[Any]:
        return await gather(client.get("models") for _ in range(12))

    assert len(run(ask_often())) == 12
    assert counts["most"] <= 3


async def test_a_cancelled_task_cancels_its_requests(server: ModelServer) -> None:
    model = served(server)
    await asyncio.to_thread(lambda: model.exactness)
    asked, released = threading.Event(), threading.Event()

    def wait(path: str, body: Any, handler: Any) -> bool:
        asked.set()
        released.wait(30)
        return False

    probed = len(server.requests)
    server.before.append(wait)
    task = asyncio.create_task(model.ascore(["Repeat: one"], [" two", " trees", " purple"]))
    await asyncio.to_thread(asked.wait, 30)
    sent = len(server.requests) - probed
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    released.set()
    server.before.clear()
    found = await model.ascore(["Repeat: one"], [" two"])
    assert found.shape == (1, 1)
    assert sent == 1  # the nodes behind the root were not asked for


def test_an_error_cancels_the_other_requests() -> None:
    finished: list[int] = []

    async def work(number: int) -> int:
        if number == 0:
            raise ServerError("no")
        await asyncio.sleep(30)
        finished.append(number)
        return number

    async def all_of_them() -> list[int]:
        return await gather(work(number) for number in range(4))

    with pytest.raises(ServerError, match="no"):
        run(all_of_them())
    assert finished == []
