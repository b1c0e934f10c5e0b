"""Events as they are sent, whatever the client does."""

import asyncio
import json

from llmkit.errors import RunError
from llmkit.server.event_stream import EventStream


class Events:
    """Two events, then an error if there is one; it is known whether they were closed."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.closed = error, False

    async def __call__(self):
        try:
            yield {"text": "a\nb"}
            yield {"text": "\u2028"}
            if self.error:
                raise self.error
        finally:
            self.closed = True


async def sent_by(events: Events) -> str:
    parts = []

    async def send(message):
        parts.append(message.get("body", b""))

    await EventStream(events())({}, None, send)
    assert events.closed
    return b"".join(parts).decode()


async def test_each_event_is_one_line_of_json():
    first, second, last, rest = (await sent_by(Events())).split("\n\n")
    assert [json.loads(event.removeprefix("data: ")) for event in (first, second)] == [
        {"text": "a\nb"},
        {"text": "\u2028"},
    ]
    assert (last, rest) == ("data: [DONE]", "")


async def test_an_error_is_the_last_event():
    *_, error, last, _ = (await sent_by(Events(RunError("the work failed")))).split("\n\n")
    assert json.loads(error.removeprefix("data: "))["error"]["message"] == "the work failed"
    assert last == "data: [DONE]"


async def test_a_client_that_reads_nothing_is_left():
    events = Events()

    async def send(message):
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    await EventStream(events(), patience=0.01)({}, None, send)
    assert events.closed


async def test_a_client_that_has_left_ends_the_events():
    events = Events()

    async def send(message):
        if message["type"] == "http.response.body":
            raise OSError("closed")

    await EventStream(events())({}, None, send)
    assert events.closed
