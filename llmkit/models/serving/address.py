"""The address of a model server: its OpenAI-compatible API, and the root of its other routes."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from llmkit.errors import InputError

_API = "/v1"


@dataclass(frozen=True)
class ServerAddress:
    """Where a server is.

    Attributes:
        api: the base of its OpenAI-compatible API, such as `http://127.0.0.1:8000/v1`.
        root: the base of its other routes, such as `/tokenize`.
    """

    api: str
    root: str

    @classmethod
    def parse(cls, url: str) -> ServerAddress:
        """Read a URL; without a path, the API is at `/v1`.

        Raises:
            InputError: it is no http or https URL of a server.
        """
        given = str(url).strip()
        example = "give that of its OpenAI-compatible API, such as http://127.0.0.1:8000/v1"
        try:
            parts = urlsplit(given)
            is_server = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:  # a port or an IPv6 address that is none
            is_server = False
        if not is_server:
            if "://" not in given:
                example = "write http:// or https:// before it, as in http://127.0.0.1:8000/v1"
            raise InputError(f"base_url is {without_password(given)!r}, which is no address of a server: {example}")
        if parts.query or parts.fragment:
            raise InputError(f"base_url is {without_password(given)!r}, but must have no query or fragment: {example}")
        path = parts.path.rstrip("/") or _API
        api, root = (urlunsplit((*parts[:2], end, "", "")) for end in (path, path.removesuffix(_API)))
        return cls(api, root)

    def __str__(self) -> str:
        """The API's URL, without a name and a password."""
        return without_password(self.api)


def without_password(url: str) -> str:
    """Return a URL without the name and the password that it may have."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}" if separator else url
