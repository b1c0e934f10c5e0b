"""A model server on this machine, over the engine of a model of this process: it can also misbehave."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from llmkit import HuggingFaceChat
from tests.support.model_server_formats import ModelServer, Refused
from tests.support.prompt_computer import Computer

KEY = "sk-right"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self):
        self._serve({})

    def do_POST(self):
        self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _serve(self, body: dict[str, Any]) -> None:
        served: ModelServer = self.server.served
        served.requests.append((self.path, body))
        with suppress(OSError):  # the client closed the connection
            if any(function(self.path, body, self) for function in list(served.before)):
                return
            try:
                if served.key and self.headers.get("Authorization") != f"Bearer {served.key}":
                    raise Refused(401, "Invalid API Key")
                if body.get("model", served.name) != served.name:
                    raise Refused(404, f"The model `{body['model']}` does not exist.")
                self.send(200, served.answer(self.path, body))
            except (KeyError, ValueError, TypeError, AttributeError, RuntimeError, IndexError):
                self.send(500, {"error": {"message": traceback.format_exc()[-280:]}})
            except Refused as refused:
                self.send(refused.status, {"error": {"message": str(refused)}}, **refused.headers)

    def send(self, status: int, answer: Any, content_type: str = "application/json", **headers: str) -> None:
        if isinstance(answer, str):
            content_type, answer = "text/event-stream", answer.encode()
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def cut(self, announced: int = 1000) -> None:
        """Announce an answer, and close the connection in the middle of it."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(b'{"choices": [')
        self.close_connection = True

    def log_message(self, *_):
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    served: ModelServer

    def handle_error(self, *_):
        """Print nothing: some tests close the connection on purpose."""


@contextmanager
def model_server(
    llm: HuggingFaceChat, program: str, name: str = "smollm2-135m", computer: Computer | None = None
) -> Iterator[ModelServer]:
    server = _Server(("127.0.0.1", 0), _Handler)
    served = server.served = ModelServer(llm, program, name, computer)
    served.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
