"""The page of `llmkit serve`: its files, as they are in this package."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import PurePath

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@cache
def page_files() -> Mapping[str, bytes]:
    """Return the content of each file by its name; nothing else is ever sent."""
    folder = files("llmkit.server") / "page"
    return {file.name: file.read_bytes() for file in folder.iterdir() if PurePath(file.name).suffix in _TYPES}


async def _index(request: Request) -> Response:
    return _answer("index.html")


async def _file(request: Request) -> Response:
    return _answer(request.path_params["name"])


def _answer(name: str) -> Response:
    content = page_files().get(name)
    if content is None:
        raise HTTPException(404)
    headers = {"Cache-Control": "no-cache"}  # another version of llmkit may answer at the same address
    return Response(content, headers=headers, media_type=_TYPES[PurePath(name).suffix])


ROUTES = [Route("/", _index), Route("/page/{name}", _file)]
