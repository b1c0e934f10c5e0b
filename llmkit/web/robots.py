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
from llmkit.web.urls import show

LONGEST = 500 << 10
"""Bytes of a robots.txt that count: the rest is not read, as RFC 9309 allows."""
_KEPT, _KEPT_SECONDS = 256, 3600.0


@dataclass(frozen=True)
class Answer:
    """What came back for a robots.txt."""

    status: int
    text: str


_known: OrderedDict[str, tuple[float, Protego]] = OrderedDict()
_lock = threading.Lock()


def check(url: str, agent: str, ask: Callable[[str], Answer]) -> None:
    """Let a URL pass if its site lets `agent` read it.

    A site that has no robots.txt (4xx) allows all. One that cannot tell (5xx, or too many requests) allows nothing
    for now: it may be overloaded, and its rules are unknown.

    Args:
        url: a checked URL.
        agent: this program's name in robots.txt.
        ask: fetches a robots.txt.

    Raises:
        PageRefused: the site does not let this program read the page.
        PageError: the site cannot tell.
    """
    place = urljoin(url, "/robots.txt")
    rules = _remembered(place)
    if rules is None:
        answer = ask(place)
        if answer.status >= 500 or answer.status == 429:
            raise PageError(
                f"{show(place)} answers {answer.status}, so what the site allows is unknown: try again later, "
                "or give respect_robots=False (--ignore-robots)"
            )
        rules = Protego.parse(answer.text if answer.status == 200 else "")
        _remember(place, rules)
    if not rules.can_fetch(url, agent):
        raise PageRefused(
            f"{show(url)} may not be read by programs, says {show(place)}: "
            "respect_robots=False (--ignore-robots) reads it all the same, if you may"
        )


def forget() -> None:
    """Ask every site again."""
    with _lock:
        _known.clear()


def _remembered(place: str) -> Protego | None:
    with _lock:
        until, rules = _known.get(place, (0.0, None))
        return rules if time.monotonic() < until else None


def _remember(place: str, rules: Protego) -> None:
    with _lock:
        _known[place] = (time.monotonic() + _KEPT_SECONDS, rules)
        while len(_known) > _KEPT:
            _known.popitem(last=False)
