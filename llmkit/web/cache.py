"""Pages on disk: asked for again only as their servers wish (RFC 9111), and never more than so many bytes.

hishel keeps them in a SQLite file; one that is damaged, locked or cannot be written counts as empty.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import requests
from hishel import SqliteStorage
from hishel.requests import CacheAdapter

from llmkit.paths import cache_dir

MOST_BYTES = 256 << 20
FRESH = 600
"""Seconds that a page is kept without asking again, where its server names no time."""


def adapter(allow_private: bool, max_bytes: int) -> CacheAdapter:
    """Give an adapter of requests that keeps what it fetches.

    What was read from private addresses is kept apart, and never given to a fetch that may not go there.
    """
    folder = cache_dir() / "pages"
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what a person reads is nobody else's business
    name = "private.db" if allow_private else "public.db"
    storage = SqliteStorage(database_path=folder / name, max_size=MOST_BYTES, max_stream_size=max_bytes)
    return _Adapter(storage=storage, rfc={"shared": False})


class _Adapter(CacheAdapter):
    def build_response(self, request: requests.PreparedRequest, response: Any) -> requests.Response:
        headers = response.headers
        headers.discard("Set-Cookie")
        if not ({"Content-Length", "Transfer-Encoding"} & set(map(str.title, headers))):
            headers["Cache-Control"] = "no-store"  # it ends when the connection does: nobody knows if it is whole
        elif response.status == 200 and not ("Cache-Control" in headers or "Expires" in headers):
            headers["Cache-Control"] = f"max-age={FRESH}"
        return super().build_response(request, response)
