"""A local web site whose responses are functions, to serve correct, broken and hostile pages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAGE = b"<!doctype html><html lang=en><title>A page</title><body><p>The lift is repaired on Thursday.</p></body></html>"
TEXT = "The lift is repaired on Thursday."

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self):
        site: Site = self.server.site
        site.asked.append((self.path, dict(self.headers.items())))
        answer = site.answers.get(self.path, site.otherwise)
        try:
            answer(self)
        except OSError:  # the client closed the connection
            self.close_connection = True

    def log_message(self, *_):
        pass

    def send(self, body: bytes = b"", status: int = 200, kind: str | None = "text/html", **headers: str) -> None:
        self.send_response(status)
        if kind is not None:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def begin(self, **headers: str) -> None:
        """Start a page without a Content-Length."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


class Site:
    """The URL of the site, the function that answers each path, and the requests in order."""

    def __init__(self, server: ThreadingHTTPServer, scheme: str = "http", host: str = "127.0.0.1") -> None:
        self.port = server.server_port
        self.url = f"{scheme}://{host}:{self.port}"
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: dict[str, Answer] = {}

    def otherwise(self, handler: Handler) -> None:
        handler.send(b"nothing here", 404)

    def page(self, body: bytes = PAGE, path: str = "/page", **settings: Any) -> str:
        """Add a page; return its URL."""
        return self.put(lambda handler: handler.send(body, **settings), path)

    def put(self, answer: Answer, path: str = "/page") -> str:
        self.answers[path] = answer
        return self.url + path

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    site: Site

    def handle_error(self, *_):
        """Print nothing: many tests close the connection on purpose."""


@contextmanager
def serving(context: Any = None, scheme: str = "http", host: str = "127.0.0.1") -> Iterator[Site]:
    server = _Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site = server.site = Site(server, scheme, host)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
