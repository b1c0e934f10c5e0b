"""An HTTP cache on disk (RFC 9111) of limited size.

hishel keeps the pages in a SQLite file; one that is damaged, locked or cannot be written counts as empty.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import requests
from hishel import SqliteStorage
from hishel.requests import CacheAdapter

from llmkit.paths import cache_dir

MAX_BYTES = 256 << 20
DEFAULT_MAX_AGE = 600
"""Seconds that a page is fresh, where its server does not say."""


def adapter(allow_private: bool, max_bytes: int) -> CacheAdapter:
    """Return a requests adapter that caches what it fetches.

    Pages of private addresses have a separate cache: a fetch without `allow_private` never gets them.
    """
    folder = cache_dir() / "pages"
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # for this user's eyes only
    name = "private.db" if allow_private else "public.db"
    storage = SqliteStorage(database_path=folder / name, max_size=MAX_BYTES, max_stream_size=max_bytes)
    return _Adapter(storage=storage, rfc={"shared": False})


class _Adapter(CacheAdapter):
    def build_response(self, request: requests.PreparedRequest, response: Any) -> requests.Response:
        headers = response.headers
        headers.discard("Set-Cookie")
        if not ({"Content-Length", "Transfer-Encoding"} & set(map(str.title, headers))):
            headers["Cache-Control"] = "no-store"  # it ends when the connection does, and may be incomplete
        elif response.status == 200 and not ("Cache-Control" in headers or "Expires" in headers):
            headers["Cache-Control"] = f"max-age={DEFAULT_MAX_AGE}"
        return super().build_response(request, response)
