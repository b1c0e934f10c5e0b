"""From a URL to a Document."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.documents import Document

AGENT = "llmkit"
"""The name of this program in a robots.txt."""


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
    """Fetch a web page and extract its readable text, with blank lines between paragraphs.

    The metadata are `source` (the URL after redirects), `title` and `language` (a tag such as `en-GB`), the last two
    empty where the page has none. Only public addresses are connected to, without proxies or cookies.

    Args:
        url: the whole URL.
        allow_private: also read pages of this machine and of private networks.
        max_bytes: the most bytes of the page, decompressed.
        timeout: seconds for everything: robots.txt, redirects, retries, and extracting the text.
        connect_timeout: seconds to resolve the host, and to connect to each of its addresses.
        read_timeout: seconds that the server may send nothing.
        respect_robots: read only what the site's robots.txt lets programs read.
        cache: keep the page on disk, and request it again only as HTTP says.
        user_agent: the `User-Agent` header.

    Raises:
        PageRefused: it is not the URL of a web page, its address is not allowed, or the page is not text.
        PageError: the page cannot be fetched, or is empty.
    """
    from llmkit.web import robots
    from llmkit.web.download import Downloader, Limits
    from llmkit.web.extraction import read_or_redirect
    from llmkit.web.redirects import redirect_url
    from llmkit.web.urls import validate_url

    limits = Limits(max_bytes, timeout, connect_timeout, read_timeout)
    url = validate_url(url)
    with Downloader(limits, allow_private=allow_private, use_cache=cache, agent=user_agent or _agent()) as downloader:

        def allow(url: str) -> None:
            if respect_robots:
                robots.validate_access(url, AGENT, lambda robots_url: downloader.robots_txt(robots_url, url))

        page = downloader.page(url, allow)
        while isinstance(found := read_or_redirect(page, downloader.check_time), str):
            page = downloader.page(redirect_url(page.url, found), allow)
    return found


def _agent() -> str:
    from llmkit import __version__

    return f"{AGENT}/{__version__} (reads single pages that a person asks about)"
