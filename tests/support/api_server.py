"""An API server of this process, in a thread, and a model whose forward passes wait until they may go on."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from llmkit import HuggingFaceChat
from tests.support.tiny import WINDOW, make

NAME = "tiny"
WAIT = 60  # seconds after which a test fails that waits for something


class ApiServer:
    """A running server, by its address."""

    def __init__(self, url: str, llm: HuggingFaceChat, app: Any) -> None:
        self.url, self.llm, self.app = url, llm, app
        self.port = int(url.rpartition(":")[2])
        self.http = httpx.Client(base_url=url, timeout=WAIT, trust_env=False)

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.http.post(path, json=body, headers={name.replace("_", "-"): v for name, v in headers.items()})

    def chat(self, text: str, **options: Any) -> Any:
        body = {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 8, **options}
        return self.post("/v1/chat/completions", body)

    def requests(self) -> int:
        """Return how many computations run or wait."""
        return int(self.http.get("/health").json()["requests"])


@contextmanager
def api_server(
    llm: HuggingFaceChat, name: str = NAME, *, others: Mapping[str, HuggingFaceChat] | None = None, **settings: Any
) -> Iterator[ApiServer]:
    from llmkit.server.run import address_of, listen, make_server
    from llmkit.server.settings import ServerSettings

    chosen = ServerSettings(port=0, **settings)
    server, listener = make_server({name: llm, **(others or {})}, chosen), listen(chosen)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    found = ApiServer(address_of(listener), llm, server.config.app)
    try:
        yield found
    finally:
        found.http.close()
        server.should_exit = True
        thread.join()
        listener.close()


def tiny_chat(name: str = "llama", **options: Any) -> HuggingFaceChat:
    tiny = make(name)
    return HuggingFaceChat(tiny.model, tokenizer=tiny.tokenizer, context_window=WINDOW, **options)


class Gate:
    """Forward passes of a model: they are counted, and those after the first few wait until the gate is open."""

    def __init__(self, free: int) -> None:
        self.free, self.passes = free, 0
        self.error: Exception | None = None
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, *_: Any) -> None:
        self.passes += 1
        if self.passes > self.free:
            self.reached.set()
            assert self.open.wait(WAIT)
        if self.error:
            raise self.error


def gated_chat(free: int) -> tuple[HuggingFaceChat, Gate]:
    """Return a tiny model of its own, and the gate of its forward passes."""
    tiny, gate = make("llama"), Gate(free)
    model = copy.deepcopy(tiny.model)
    model.lm_head.register_forward_pre_hook(gate)
    return HuggingFaceChat(model, tokenizer=tiny.tokenizer, context_window=WINDOW), gate
