"""An HTTP cache on disk (RFC 9111) of limited size.

hishel keeps the pages in a SQLite file that only its user can read. Where it is locked, a link, or cannot be written, a
page is fetched without a cache; one that is damaged is replaced.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import requests
from hishel import SqliteStorage
from hishel.requests import CacheAdapter
from requests.adapters import HTTPAdapter

from llmkit.paths import cache_dir

MAX_BYTES = 256 << 20
_LOCKED = 0.5
"""Seconds to wait for another process that writes."""
DEFAULT_MAX_AGE = 600
"""Seconds that a page is fresh, where its server does not say."""


def adapter(allow_private: bool, max_bytes: int) -> HTTPAdapter:
    """Return a requests adapter that caches what it fetches, if there can be a cache.

    Pages of private addresses have a separate cache: a fetch without `allow_private` never gets them.
    """
    path = _database("private.db" if allow_private else "public.db")
    if path is None:
        return HTTPAdapter()
    try:
        storage = _open(path, max_bytes)
    except sqlite3.OperationalError:  # another process has locked it meanwhile
        return HTTPAdapter()
    except (RuntimeError, sqlite3.DatabaseError):  # its tables are those of another version of hishel, or of others
        path.unlink(missing_ok=True)
        storage = _open(path, max_bytes)
    return _Adapter(storage=storage, rfc={"shared": False})


def _open(path: Path, max_bytes: int) -> SqliteStorage:
    storage = SqliteStorage(database_path=path, max_size=MAX_BYTES, max_stream_size=max_bytes)
    try:
        storage.get_entries("")  # it looks at the tables
    except BaseException:
        storage.close()
        raise
    return storage


def _database(name: str) -> Path | None:
    """Return the file of a cache, in a folder for this user's eyes only; `None` where it cannot be used."""
    path = cache_dir() / "pages" / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.parent.stat().st_mode & 0o077:
            path.parent.chmod(0o700)
        if path.is_symlink() or (path.exists() and not path.is_file()):
            return None
        with closing(sqlite3.connect(path, timeout=_LOCKED)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # hishel waits 5 seconds and more for each lock
    except (OSError, sqlite3.OperationalError):
        return None
    except sqlite3.DatabaseError:
        path.unlink(missing_ok=True)
    return path


class _Adapter(CacheAdapter):
    def build_response(self, request: requests.PreparedRequest, response: Any) -> requests.Response:
        headers = response.headers
        headers.discard("Set-Cookie")
        if not ({"Content-Length", "Transfer-Encoding"} & set(map(str.title, headers))):
            headers["Cache-Control"] = "no-store"  # it ends when the connection does, and may be incomplete
        elif response.status == 200 and not ("Cache-Control" in headers or "Expires" in headers):
            headers["Cache-Control"] = f"max-age={DEFAULT_MAX_AGE}"
        return super().build_response(request, response)
