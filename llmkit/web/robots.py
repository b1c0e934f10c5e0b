"""What a site's robots.txt allows (RFC 9309)."""

from __future__ import annotations

import codecs
import re
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urljoin

from protego import Protego
from w3lib.encoding import read_bom

from llmkit.errors import PageError, PageRefused
from llmkit.web.urls import printable

MAX_BYTES = 500 << 10
"""The rest of a longer robots.txt is not read, as RFC 9309 allows."""
_MISREAD_MARK = codecs.BOM_UTF8.decode("cp1252")
"""A byte order mark that was read as windows-1252 and written as UTF-8."""
_GZIP = b"\x1f\x8b"
_SHAPELESS = re.compile(r"[\0\u200B-\u200F\u2060\uFEFF]")
_TAG = re.compile("<[^<>]*>")
_AFTER_PRODUCT = re.compile(r"^(\s*user-?\s?agent\s*:\s*[a-z_-]+)[/,;( \t][^#\r\n]*", re.IGNORECASE | re.MULTILINE)
"""What follows the name of a program, such as its version: only the name counts."""
_MAX_CACHED, _MAX_AGE = 256, 3600.0  # sites, seconds


@dataclass(frozen=True)
class RobotsResponse:
    """A server's response to the request for its robots.txt."""

    status: int
    body: bytes


_cached: OrderedDict[str, tuple[float, Protego]] = OrderedDict()
_lock = threading.Lock()


def forget() -> None:
    """Forget the rules of all sites, so that each robots.txt is fetched again."""
    with _lock:
        _cached.clear()


def validate_access(url: str, agent: str, fetch: Callable[[str], RobotsResponse]) -> None:
    """Check that a site lets `agent`, this program's name in robots.txt, read a URL; `fetch` fetches its robots.txt.

    A site that has no robots.txt (4xx) allows all. One with a server error (5xx, or too many requests) allows nothing
    for now: it may be overloaded, and its rules are unknown.

    Raises:
        PageRefused: the site does not let this program read the page.
        PageError: the site's rules are unknown.
    """
    robots_url = urljoin(url, "/robots.txt")
    with _lock:
        until, rules = _cached.get(robots_url, (0.0, None))
    if rules is None or time.monotonic() >= until:
        response = fetch(robots_url)
        if response.status >= 500 or response.status == 429:
            raise PageError(
                f"{printable(robots_url)} answers {response.status}, so what the site allows is unknown: "
                "try again later, or pass respect_robots=False (--ignore-robots)"
            )
        rules = Protego.parse(_decode(response.body) if 200 <= response.status < 300 else "")
        with _lock:
            _cached[robots_url] = (time.monotonic() + _MAX_AGE, rules)
            while len(_cached) > _MAX_CACHED:
                _cached.popitem(last=False)
    if not rules.can_fetch(url, agent):
        raise PageRefused(
            f"{printable(url)} may not be read by programs, says {printable(robots_url)}: "
            "respect_robots=False (--ignore-robots) reads it all the same, if you are allowed to"
        )


def _decode(body: bytes) -> str:
    """Decode a robots.txt; no byte order mark or other invisible character hides a rule.

    RFC 9309 wants UTF-8. Other bytes are percent-encoded, as they are in a URL.
    """
    if body.startswith(_GZIP):  # servers send a compressed file as it is
        with suppress(zlib.error):
            body = zlib.decompressobj(wbits=31).decompress(body, MAX_BYTES + 1)
    charset, _ = read_bom(body)
    if not charset:
        body, charset = body.replace(b"\0", b""), "utf-8"  # UTF-16 without a mark is ASCII then
    text = body[:MAX_BYTES].decode(charset, "surrogateescape" if charset == "utf-8" else "replace")
    if len(body) > MAX_BYTES:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]  # half a rule is another rule
    text = _SHAPELESS.sub("", text).removeprefix(_MISREAD_MARK).replace("\udca0", " ")  # a no-break space
    if text.lstrip().startswith("<"):  # rules in a page of HTML; one that says that there are none has no rules
        text = _TAG.sub("\n", text)
    text = _AFTER_PRODUCT.sub(r"\1", text)
    return re.sub("[\udc80-\udcff]", lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", text)
