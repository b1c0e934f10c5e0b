"""Where a redirect leads, as browsers understand it."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from urllib.parse import quote, urljoin

from llmkit.errors import PageError, PageRefused
from llmkit.web.urls import printable, validate_url

STATUSES = {301, 302, 303, 307, 308}
_C0_AND_SPACE = "".join(map(chr, range(0x21)))
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:https?:)?//[^/?]*", re.IGNORECASE)
_KEPT = string.punctuation.replace("\\", "")


def location(headers: Iterable[str]) -> str:
    """Return the target that the `Location` lines of a response name; empty where they name none.

    Raises:
        PageError: they name several.
    """
    targets = list(dict.fromkeys(filter(None, (header.strip(_C0_AND_SPACE) for header in headers))))
    if len(targets) > 1:
        shown = ", ".join(printable(decode_header(target)) for target in targets)
        raise PageError(f"redirects to several URLs at once ({shown}): check it in a browser, and give one of them")
    return decode_header(targets[0]) if targets else ""


def decode_header(value: str) -> str:
    """Decode a header's bytes, which http.client reads as Latin-1, as UTF-8; other bytes become lone surrogates."""
    try:
        return value.encode("latin-1").decode(errors="surrogateescape")
    except UnicodeEncodeError:  # it was decoded already
        return value


def resolve(base: str, reference: str) -> str:
    """Return the URL that a reference means to a browser; what is no ASCII is percent-encoded, byte by byte.

    White space around it is left out, tabs and line breaks everywhere, a backslash is a slash, `http:page` and
    `http:///host` are read. See https://url.spec.whatwg.org/#url-parsing.

    Raises:
        ValueError: it is no URL.
    """
    reference = re.sub(r"[\t\n\r]", "", reference.strip(_C0_AND_SPACE)).partition("#")[0]
    scheme = _SCHEME.match(reference)
    if scheme and scheme[1].lower() not in {"http", "https"}:
        return reference
    path, mark, query = reference.partition("?")
    path = path.replace("\\", "/")
    if scheme:
        path = path[scheme.end() :]
        if scheme[1].lower() != base.partition(":")[0].lower() or path.startswith("//"):
            path = f"{scheme[1]}://{path.lstrip('/')}"
    elif path.startswith("//"):
        path = f"//{path.lstrip('/')}"
    authority = found[0] if (found := _AUTHORITY.match(path)) else ""
    rest = quote((path[len(authority) :] + mark + query).encode(errors="surrogateescape"), safe=_KEPT)
    return urljoin(base, _decode_host(authority) + rest)


def _decode_host(authority: str) -> str:
    """Read the bytes of a host that is not UTF-8 as Latin-1, as the Fetch standard reads a header."""
    try:
        authority.encode()
    except UnicodeEncodeError:
        return authority.encode(errors="surrogateescape").decode("latin-1")
    return authority


def redirect_url(base: str, reference: str) -> str:
    """Return the checked URL of a redirect.

    Raises:
        PageRefused: it is not the URL of a web page.
    """
    try:
        return validate_url(resolve(base, reference))
    except (PageRefused, ValueError) as error:
        raise PageRefused(f"{printable(base)} redirects to a URL that is not fetched: {error}") from None
