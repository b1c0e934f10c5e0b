"""Download of a page: redirects, limits, retries, and which responses are pages."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from typing import TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from llmkit.errors import InputError, LlmkitError, PageError, PageRefused
from llmkit.quiet import silence_loggers
from llmkit.web import cache, redirects, robots
from llmkit.web.headers import content_codings, parse_content_type, validate_media_type
from llmkit.web.transport import ConnectionGuard, Deadline, guarded_session
from llmkit.web.urls import name_in_errors, printable

MAX_REDIRECTS, MAX_ATTEMPTS = 5, 3
RETRY_DELAY = 1.0
"""Seconds before a second attempt, where the server names none; twice as many before a third."""
_CHUNK = 1 << 16
_BUSY = {429, 503}
_ACCEPT = "text/html,application/xhtml+xml,text/plain;q=0.8,*/*;q=0.1"
_FAILURES: tuple[type[Exception], ...] = (
    *(requests.RequestException, HTTPError, HTTPException, OSError, ValueError, OverflowError),
    *(RuntimeError, sqlite3.Error),  # of a cache that another program changed
)
_T = TypeVar("_T")

silence_loggers("hishel")  # it warns of a damaged cache, which is then replaced


@dataclass(frozen=True)
class Limits:
    """What a fetch may take: bytes after decompression, seconds for all of it, to connect, and between two reads."""

    max_bytes: int
    timeout: float
    connect_timeout: float
    read_timeout: float

    def __post_init__(self) -> None:
        """Check that all limits are more than 0 and finite."""
        if not all(0 < limit < float("inf") for limit in vars(self).values()):
            raise InputError(f"max_bytes and the time limits must be more than 0 and finite, but are {self}")


@dataclass(frozen=True)
class Download:
    """A page, its URL after redirects, and two of its headers."""

    url: str
    content_type: str
    body: bytes
    refresh: str = ""


class Downloader:
    """Fetches a page and its robots.txt within one time limit."""

    def __init__(self, limits: Limits, *, allow_private: bool, use_cache: bool, agent: str) -> None:
        self._limits = limits
        self._deadline = Deadline(limits.timeout)
        self._requests = iter(range(MAX_REDIRECTS + 1))
        guard = ConnectionGuard(self._deadline, allow_private, limits.connect_timeout)
        adapter = cache.adapter(allow_private, limits.max_bytes) if use_cache else HTTPAdapter()
        self._session = guarded_session(guard, adapter)
        # Only encodings that urllib3 decompresses chunk by chunk, so that a decompression bomb meets the limit.
        self._session.headers.update({"User-Agent": agent, "Accept": _ACCEPT, "Accept-Encoding": "gzip, deflate"})

    def __enter__(self) -> Downloader:
        self._deadline.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self._deadline.__exit__()

    def page(self, url: str, allow: Callable[[str], None]) -> Download:
        """Fetch a page; where a page leads to another, call this again: all redirects of a fetch are counted.

        Args:
            url: a validated URL.
            allow: raises for a URL that may not be fetched; called for each redirect, too.

        Raises:
            PageRefused: the page may not be fetched, or cannot be read.
            PageError: it cannot be fetched within the limits.
        """

        def read(url: str, response: requests.Response) -> Download:
            _validate_response(response)
            body = self._body(response, self._limits.max_bytes)
            if len(body) > self._limits.max_bytes:
                raise PageError(f"has more than {self._limits.max_bytes} bytes: raise max_bytes")
            headers = response.headers
            if response.status_code in redirects.STATUSES and not (body.strip() or headers.get("Refresh")):
                raise PageError(
                    f"redirects ({response.status_code}), but does not say where to: check the URL in a browser"
                )
            return Download(url, headers.get("Content-Type", ""), body, headers.get("Refresh", ""))

        page = self._follow_redirects(url, allow, read, self._requests)
        if page is None:
            raise PageError(f"{printable(url)} redirects more than {MAX_REDIRECTS} times: check the URL in a browser")
        return page

    def check_time(self) -> None:
        """Raise `PageError` if the time is over; the message continues the URL."""
        if self._deadline.remaining <= 0:
            raise PageError(f"takes longer than {self._limits.timeout:g} s to fetch and read: raise timeout")

    def robots_txt(self, url: str, page: str) -> robots.RobotsResponse:
        """Fetch the robots.txt for a page, up to its maximal length.

        One that redirects too often, or to what is no URL of a web page, is none: RFC 9309 calls it unavailable.
        """
        requested, answered = list[str](), list[str]()

        def read(final: str, response: requests.Response) -> robots.RobotsResponse:
            answered.append(final)
            body = self._body(response, robots.MAX_BYTES) if response.ok else b""
            return robots.RobotsResponse(response.status_code, body)

        try:
            found = self._follow_redirects(url, requested.append, read, iter(range(MAX_REDIRECTS + 1)), page)
        except LlmkitError as error:
            if len(requested) == 1 and not answered:  # the page is not reached, either
                raise
            raise PageError(
                f"{printable(url)} cannot be read, so what the site allows is unknown ({error}): "
                "try again later, or pass respect_robots=False (--ignore-robots)"
            ) from error
        return found or robots.RobotsResponse(404, b"")

    def _follow_redirects(
        self,
        url: str,
        allow: Callable[[str], None],
        read: Callable[[str, requests.Response], _T],
        attempts: Iterator[int],
        robots_of: str = "",
    ) -> _T | None:
        """Return what `read` returns after the redirects; `None` if there are too many.

        Args:
            url: the first URL.
            allow: raises for a URL that may not be fetched.
            read: reads the response that is no redirect.
            attempts: its length is how many URLs may be requested.
            robots_of: the page whose robots.txt this is: errors name it, and a redirect to no web page leads nowhere.

        Raises:
            PageRefused: a redirect leads to what is not the URL of a web page.
        """
        name = robots_of
        for _ in attempts:
            allow(url)
            with self._page_errors(name or url):
                response = self._get(url)
            with self._page_errors(url), response:
                target = _redirect_target(response)
                if not target:
                    return read(url, response)
            try:
                url, name = redirects.redirect_url(url, target), ""
            except PageRefused:
                if robots_of:
                    return None
                raise
        return None

    def _get(self, url: str) -> requests.Response:
        """Send the request; again if the server is busy and asks for a delay that the time limit allows."""
        for attempt in range(MAX_ATTEMPTS):
            response = self._session.get(
                url,
                stream=True,
                allow_redirects=False,
                timeout=(self._limits.connect_timeout, self._deadline.limit(self._limits.read_timeout)),
                headers={"Cache-Control": "no-cache"} if attempt else None,
            )
            if response.status_code not in _BUSY or attempt == MAX_ATTEMPTS - 1:
                break
            delay = _retry_after(response, RETRY_DELAY * 2**attempt)
            if delay >= self._deadline.remaining:
                break
            response.close()
            time.sleep(delay)
        return response

    def _body(self, response: requests.Response, limit: int) -> bytes:
        """Return the decompressed body; of one that is longer than `limit`, a little more than that."""
        codings = content_codings(response.raw.headers.getlist("Content-Encoding"))
        response.raw.headers["Content-Encoding"] = ", ".join(codings)  # as urllib3 reads it
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > limit:
                break
        if self._deadline.remaining <= 0:  # a connection that was shut down may look complete
            raise TimeoutError
        return bytes(body)

    @contextmanager
    def _page_errors(self, url: str) -> Iterator[None]:
        with name_in_errors(url):
            try:
                yield
            except PageRefused:
                raise
            except PageError:
                if self._deadline.remaining > 0:
                    raise
                raise PageError(self._problem(TimeoutError())) from None
            except _FAILURES as error:
                raise PageError(self._problem(error)) from error

    def _problem(self, error: Exception) -> str:
        if self._deadline.remaining <= 0:
            return f"took longer than {self._limits.timeout:g} s: try again, or raise timeout"
        if isinstance(error, requests.exceptions.SSLError):
            return f"has no certificate that can be trusted ({_reason(error)}): check the URL in a browser"
        if isinstance(error, requests.Timeout) or "timed out" in str(error):
            return f"sent nothing for {self._limits.read_timeout:g} s: try again, or raise read_timeout"
        if isinstance(error, requests.exceptions.ContentDecodingError):
            return "is not compressed as its server says (Content-Encoding): save it in a browser"
        if isinstance(error, requests.RequestException | HTTPError | HTTPException | OSError):
            return f"broke off ({_reason(error)}): try again later"
        return f"answers with what cannot be read ({_reason(error)}): check the URL in a browser"


def _validate_response(response: requests.Response) -> None:
    """Check by its status and headers that a response is a page; the messages continue the URL."""
    status = response.status_code
    if status in _BUSY:
        wait = response.headers.get("Retry-After", "")
        request = f", and asks to wait {printable(wait)} s" if wait.isdecimal() else ""
        raise PageError(f"is busy ({status}){request}: try again later")
    if status in {404, 410}:
        raise PageError(f"is not there ({status}): check the URL")
    if status in {401, 402, 403, 407, 451}:
        raise PageError(f"is closed to programs or strangers ({status}): save it in a browser, and give its text")
    if status not in {200, 203, *redirects.STATUSES}:  # a redirect that leads nowhere is a page, as in browsers
        raise PageError(f"answers {status} ({printable(response.reason or '')}) instead of a page: try again later")
    validate_media_type(parse_content_type(response.headers.get("Content-Type", "")).media_type)


def _redirect_target(response: requests.Response) -> str:
    """Return where a response redirects to; empty if it does not."""
    if response.status_code not in redirects.STATUSES:
        return ""
    return redirects.location(response.raw.headers.getlist("Location"))


def _retry_after(response: requests.Response, default: float) -> float:
    """Return the seconds in the `Retry-After` header."""
    try:
        return Retry().get_retry_after(response.raw) or default
    except (InvalidHeader, ValueError, OverflowError):
        return default


def _reason(error: BaseException) -> str:
    """Return the message of the innermost error: the outer ones only wrap it."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return printable(" ".join(str(error).split())) or type(error).__name__
