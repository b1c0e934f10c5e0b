"""One call from a URL to a Document."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.documents import Document

AGENT = "llmkit"
"""The name that a robots.txt knows this program by."""


def fetch(
    url: str,
    *,
    allow_private: bool = False,
    max_bytes: int = 10_000_000,
    timeout: float = 30.0,
    connect_timeout: float = 10.0,
    read_timeout: float = 10.0,
    respect_robots: bool = True,
    cache: bool = True,
    user_agent: str | None = None,
) -> Document:
    """Give the readable text of a web page, its paragraphs separated by blank lines.

    The metadata are `source` (the URL in the end, after redirects), `title` and `language` (a tag such as `en-GB`),
    the last two empty where the page tells none. Only public addresses are asked, without proxies or cookies.

    Args:
        url: the whole URL.
        allow_private: also read pages of this machine and of private networks.
        max_bytes: the size of the page, unpacked.
        timeout: seconds for all together: robots.txt, redirects, and tries again.
        connect_timeout: seconds to find the host, and to reach each of its addresses.
        read_timeout: seconds that the server may say nothing.
        respect_robots: read only what the site's robots.txt lets programs read.
        cache: keep the page on disk, and ask the server again only as it wishes.
        user_agent: how this program calls itself.

    Raises:
        PageRefused: it is no URL of a web page, leads where llmkit does not go, or to what is no text.
        PageError: the page does not come, or is empty.
    """
    from llmkit.web import robots
    from llmkit.web.download import Downloader, Limits
    from llmkit.web.extraction import read
    from llmkit.web.urls import checked

    limits = Limits(max_bytes, timeout, connect_timeout, read_timeout)
    url = checked(url)
    agent = user_agent or _agent()
    with Downloader(limits, allow_private=allow_private, keep=cache, agent=agent) as downloader:

        def allow(url: str) -> None:
            if respect_robots:
                robots.check(url, AGENT, lambda place: downloader.rules(place, url))

        page = downloader.page(url, allow)
    return read(page.body, page.url, page.content_type)


def _agent() -> str:
    from llmkit import __version__

    return f"{AGENT}/{__version__} (reads single pages that a person asks about)"
