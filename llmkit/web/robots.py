"""What a site's robots.txt allows (RFC 9309)."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urljoin

from protego import Protego

from llmkit.errors import PageError, PageRefused
from llmkit.web.urls import printable

MAX_BYTES = 500 << 10
"""The rest of a longer robots.txt is not read, as RFC 9309 allows."""
_MAX_CACHED, _MAX_AGE = 256, 3600.0  # sites, seconds


@dataclass(frozen=True)
class RobotsResponse:
    """A server's response to the request for its robots.txt."""

    status: int
    text: str


_cached: OrderedDict[str, tuple[float, Protego]] = OrderedDict()
_lock = threading.Lock()


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
        rules = Protego.parse(response.text if response.status == 200 else "")
        with _lock:
            _cached[robots_url] = (time.monotonic() + _MAX_AGE, rules)
            while len(_cached) > _MAX_CACHED:
                _cached.popitem(last=False)
    if not rules.can_fetch(url, agent):
        raise PageRefused(
            f"{printable(url)} may not be read by programs, says {printable(robots_url)}: "
            "respect_robots=False (--ignore-robots) reads it all the same, if you are allowed to"
        )
