"""Who may use the server: checks of each request before anything of it is read, and headers of a safe answer.

- `Host`: a page of another site cannot reach a server of this machine by a name of its own (DNS rebinding).
- `Origin`: a browser sends it with requests that a page makes; only pages of this server and allowed ones may.
- `Authorization`: the key, where there is one, compared in constant time.
"""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

from llmkit.server.errors import Refusal
from llmkit.server.settings import ServerSettings

PUBLIC_PATHS = frozenset({"/", "/health"})
PUBLIC_FOLDER = "/page/"
"""What needs no key: the page is the same for everyone, and asks for the key itself."""

_SAFE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PREFLIGHT = {"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Max-Age": "600"}
_REQUEST_HEADERS = "authorization, content-type"


class Security:
    """An ASGI application in front of another one, which gets only requests that may come in."""

    def __init__(self, app: Any, settings: ServerSettings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer_headers = {**_SAFE_HEADERS, **self._cors(headers.get("origin"))}

        async def send_safely(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(answer_headers)
            await send(message)

        app = self._app
        try:
            self._check_sender(headers)
            if _is_preflight(scope, headers):
                app = Response(status_code=204, headers=_preflight_headers(headers))
            else:
                self._check_key(scope["path"], headers)
        except Refusal as refusal:
            app = refusal.response()
        await app(scope, receive, send_safely)

    def _check_sender(self, headers: Headers) -> None:
        """Check the name that the server is called by, and the page that calls it."""
        allowed, host = self._settings.allowed_hosts, headers.get("host", "")
        if allowed is not None and _host_name(host) not in allowed:
            raise Refusal(403, f"the Host {host!r:.100} is not this server's: use http://{self._settings.host}:…")
        origin = headers.get("origin")
        if origin is None or origin in self._settings.allow_origin or _is_same(origin, host):
            return
        raise Refusal(
            403, f"pages of {origin!r:.100} may not use this server: start it with allow_origin (--allow-origin)"
        )

    def _check_key(self, path: str, headers: Headers) -> None:
        key = self._settings.api_key
        if key is None or path in PUBLIC_PATHS or path.startswith(PUBLIC_FOLDER):
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), key.encode()):
            raise Refusal(
                401,
                "the key is missing or wrong: send the header Authorization: Bearer KEY",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _cors(self, origin: str | None) -> dict[str, str]:
        if origin is None or origin not in self._settings.allow_origin:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": "Retry-After",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Vary": "Origin",
        }


def _is_preflight(scope: Any, headers: Headers) -> bool:
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers and "origin" in headers


def _preflight_headers(headers: Headers) -> dict[str, str]:
    asked = headers.get("access-control-request-headers", _REQUEST_HEADERS)
    return {**_PREFLIGHT, "Access-Control-Allow-Headers": asked}


def _host_name(host: str) -> str:
    """Return the name of a `Host` without its port, and an IPv6 address without its brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_same(origin: str, host: str) -> bool:
    """Return whether a page comes from this server, by the name that the request calls it."""
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc == host
