"""Checks of URLs, and how messages show them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from llmkit.errors import PageError, PageRefused, kind_of

MAX_LENGTH = 8192
_MAX_SHOWN = 200
_HTTP = re.compile(r"https?://", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=//)[^/?#]*@")


def validate_url(url: Any) -> str:
    """Return a URL as it is requested: encoded, and without a fragment.

    The only parser is urllib3's, which also makes the connection: a URL that two parsers read differently could pass
    the check and lead elsewhere. The host's addresses are checked when it is connected to (see `transport`).

    Raises:
        PageRefused: it is not a URL, not http or https, or has credentials, a backslash or control characters.
    """
    if not isinstance(url, str):
        raise PageRefused(f"a URL is a text, not {kind_of(url)}: give one such as https://example.com/page")
    url = url.strip(" \t\r\n")
    shown = printable(url)
    if not url:
        raise PageRefused("the URL is empty: give one such as https://example.com/page")
    if not _HTTP.match(url):
        raise PageRefused(f"{shown} is not the URL of a web page: it must begin with https:// or http://")
    if len(url) > MAX_LENGTH:
        raise PageRefused(f"the URL has {len(url)} characters, more than {MAX_LENGTH}: {shown}")
    if any(char == "\\" or char.isspace() or unicodedata.category(char) in {"Cc", "Cs"} for char in url):
        raise PageRefused(
            f"{shown} has a backslash, white space or a control character in it: write it percent-encoded"
        )
    try:
        parts = parse_url(url)
    except LocationParseError:
        raise PageRefused(f"{shown} is not a URL: give one such as https://example.com/page") from None
    if parts.auth is not None:
        raise PageRefused(f"{shown} has a user name or password in it: pages are only fetched without one")
    try:
        prepared = requests.Request("GET", url.partition("#")[0]).prepare().url
        parts = parse_url(prepared or "")  # once more, for `%2e%2e` was decoded, and robots.txt is asked about the path
    except (requests.RequestException, LocationParseError, UnicodeError):
        parts = Url()
    if not parts.host:
        raise PageRefused(f"{shown} names no host: give a URL such as https://example.com/page")
    return parts.url


def printable(url: str) -> str:
    """Return a URL as a message may show it: on one line, not too long, without credentials."""
    url = _CREDENTIALS.sub("", url)
    url = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in url)
    return url if len(url) <= _MAX_SHOWN else f"{url[:_MAX_SHOWN]}…"


@contextmanager
def name_in_errors(url: str) -> Iterator[None]:
    """Put the URL before the message of an error about its page."""
    try:
        yield
    except (PageRefused, PageError) as error:
        raise type(error)(f"{printable(url) or 'the page'} {error}") from error.__cause__
