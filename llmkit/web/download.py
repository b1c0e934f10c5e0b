"""The bytes of a page: redirects, limits and retries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from llmkit.errors import InputError, PageError, PageRefused
from llmkit.quiet import silence_loggers
from llmkit.web import cache, robots, transport
from llmkit.web import responses as answers
from llmkit.web.deadline import Deadline
from llmkit.web.urls import checked, naming, show

REDIRECTS, TRIES = 5, 3
BACK_OFF = 1.0
"""Seconds before a second try, where the server names none; twice as many before a third."""
_PIECE = 1 << 16
_ACCEPT = "text/html,application/xhtml+xml,text/plain;q=0.8,*/*;q=0.1"
_T = TypeVar("_T")

silence_loggers("hishel")  # it warns of a damaged cache, which is then made anew


@dataclass(frozen=True)
class Limits:
    """What a fetch may take: bytes after decompression, seconds as a whole, and seconds of silence."""

    max_bytes: int
    timeout: float
    connect_timeout: float
    read_timeout: float

    def __post_init__(self) -> None:
        """Check that the limits are some.

        Raises:
            InputError: one is not above 0, or endless.
        """
        if not all(0 < limit < float("inf") for limit in vars(self).values()):
            raise InputError(f"max_bytes and the time limits must be more than 0 and finite, but are {self}")


@dataclass(frozen=True)
class Download:
    """What came back, and from where in the end."""

    url: str
    content_type: str
    body: bytes


class Downloader:
    """Fetches what belongs to one page, all within one time limit."""

    def __init__(self, limits: Limits, *, allow_private: bool, keep: bool, agent: str) -> None:
        self._limits = limits
        self._deadline = Deadline(limits.timeout)
        gate = transport.Gate(self._deadline, allow_private, limits.connect_timeout)
        adapter = cache.adapter(allow_private, limits.max_bytes) if keep else HTTPAdapter()
        self._session = transport.session(gate, adapter)
        # Only what urllib3 unpacks piece by piece, within a limit, is asked for.
        self._session.headers.update({"User-Agent": agent, "Accept": _ACCEPT, "Accept-Encoding": "gzip, deflate"})

    def __enter__(self) -> Downloader:
        self._deadline.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self._deadline.__exit__()

    def page(self, url: str, allow: Callable[[str], None]) -> Download:
        """Give a page.

        Args:
            url: a checked URL.
            allow: raises for a URL that may not be asked for; called at each redirect, too.

        Raises:
            PageRefused: the page may not be asked for, or is none that can be read.
            PageError: it does not come, or not within the limits.
        """

        def read(url: str, response: requests.Response) -> Download:
            answers.check(response)
            body = self._body(response, self._limits.max_bytes)
            if len(body) > self._limits.max_bytes:
                raise PageError(f"has more than {self._limits.max_bytes} bytes: raise max_bytes")
            return Download(url, response.headers.get("Content-Type", ""), body)

        page = self._follow(url, allow, read)
        if page is None:
            raise PageError(f"{show(url)} redirects more than {REDIRECTS} times: check the URL in a browser")
        return page

    def rules(self, url: str, page: str) -> robots.Answer:
        """Give the robots.txt for a page; what stands beyond its longest length is left out."""

        def read(_: str, response: requests.Response) -> robots.Answer:
            body = self._body(response, robots.LONGEST)[: robots.LONGEST] if response.ok else b""
            return robots.Answer(response.status_code, body.decode(errors="replace"))

        return self._follow(url, lambda _: None, read, page) or robots.Answer(404, "")

    def _follow(
        self, url: str, allow: Callable[[str], None], read: Callable[[str, requests.Response], _T], page: str = ""
    ) -> _T | None:
        """What is read at the end of a line of redirects; none where it is too long."""
        for _ in range(REDIRECTS + 1):
            allow(url)
            with self._telling(page or url), self._get(url) as response:
                target = self._session.get_redirect_target(response)
                if target is None:
                    return read(url, response)
            try:
                url = checked(urljoin(url, target))
            except (PageRefused, ValueError) as error:
                raise PageRefused(f"{show(url)} redirects to what is not fetched: {error}") from None
        return None

    def _get(self, url: str) -> requests.Response:
        """Ask, and ask again where the server is busy and there is time to wait for as long as it wishes."""
        for attempt in range(TRIES):
            response = self._session.get(
                url,
                stream=True,
                allow_redirects=False,
                timeout=(self._limits.connect_timeout, min(self._limits.read_timeout, self._left())),
                headers={"Cache-Control": "no-cache"} if attempt else None,
            )
            wait = _wished(response, BACK_OFF * 2**attempt)
            if response.status_code not in answers.BUSY or attempt == TRIES - 1 or wait >= self._left():
                break
            response.close()
            time.sleep(wait)
        return response

    def _body(self, response: requests.Response, limit: int) -> bytes:
        """The body, unpacked; a little more than `limit` where it is longer."""
        body = bytearray()
        for piece in response.iter_content(_PIECE):
            body += piece
            if len(body) > limit:
                break
        if self._deadline.remaining <= 0:  # a connection that is cut may look like one that has ended
            raise TimeoutError
        return bytes(body)

    def _left(self) -> float:
        return max(self._deadline.remaining, 0.001)

    @contextmanager
    def _telling(self, url: str) -> Iterator[None]:
        with naming(url):
            try:
                yield
            except (requests.RequestException, HTTPError, OSError) as error:
                raise PageError(self._problem(error)) from error
            except PageError:
                if self._deadline.remaining > 0:
                    raise
                raise PageError(self._problem(TimeoutError())) from None

    def _problem(self, error: Exception) -> str:
        if self._deadline.remaining <= 0:
            return f"took longer than {self._limits.timeout:g} s: try again, or raise timeout"
        if isinstance(error, requests.exceptions.SSLError):
            return f"has no certificate that can be trusted ({_reason(error)}): check the URL in a browser"
        if isinstance(error, requests.Timeout) or "timed out" in str(error):
            return f"sent nothing for {self._limits.read_timeout:g} s: try again, or raise read_timeout"
        return f"broke off ({_reason(error)}): try again later"


def _wished(response: requests.Response, otherwise: float) -> float:
    """The seconds that a server wants to be left alone."""
    try:
        return Retry().get_retry_after(response.raw) or otherwise
    except InvalidHeader:
        return otherwise


def _reason(error: BaseException) -> str:
    """The innermost error: the outer ones only tell that there is one."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return " ".join(str(error).split())[:200] or type(error).__name__
