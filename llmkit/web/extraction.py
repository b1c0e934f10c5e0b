"""The readable text of a page: its main text, or else all that is visible."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from llmkit.errors import PageError, PageRefused

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from llmkit.web.download import Download

_TAG = re.compile(r"\s*<(?:[a-z][a-z0-9-]*[\s/>]|!doctype\b|!--|\?xml\b)", re.IGNORECASE)
"""How HTML begins where no type is declared; nearly as the MIME Sniffing standard has it, with more elements."""
_XHTML = re.compile(
    r"\s*(?>(?:<\?[^>]*>|<!--.*?-->|<!doctype[^>\[]*(?:\[[^\]]*\]\s*)?>)\s*)*+<html[\s>]", re.IGNORECASE | re.DOTALL
)
_REFRESH = re.compile("refresh", re.IGNORECASE)
_SNIFFED = 4096  # characters in which HTML is recognized


def read(html: bytes | str, url: str = "", content_type: str = "") -> Document:
    """Extract the readable text of a page that was already fetched.

    Args:
        html: the page; bytes are decoded as browsers do it.
        url: where it is from.
        content_type: the server's header, with the charset; without it, both are detected from the page.

    Returns:
        A Document as `fetch` returns it.

    Raises:
        PageRefused: it is a PDF, or another media type that is not read.
        PageError: it has no readable text.
    """
    from llmkit.web.urls import name_in_errors, printable

    found = _read(html, url, content_type, "", follow=False, check_time=lambda: None)
    if isinstance(found, str):
        with name_in_errors(url):
            raise PageError(f"only leads to {printable(found)}: read that page")
    return found


def read_or_redirect(page: Download, check_time: Callable[[], None]) -> Document | str:
    """Extract the readable text of a page, or return the URL that it leads a browser to.

    Raises:
        PageRefused, PageError: as `read`, or `check_time` raised it: it is called often, and at each step.
    """
    return _read(page.body, page.url, page.content_type, page.refresh, follow=True, check_time=check_time)


def _read(
    html: bytes | str, url: str, content_type: str, refresh: str, *, follow: bool, check_time: Callable[[], None]
) -> Document | str:
    """Return a Document, or the URL of a redirect; with `follow`, also that of a page with a text of its own."""
    from langchain_core.documents import Document

    from llmkit.web import client_redirects, main_text
    from llmkit.web.urls import name_in_errors

    with name_in_errors(url):
        source, is_html = _to_text(html, content_type, url)
        check_time()
        text, title, language = (
            main_text.read_html(source, check_time) if is_html else (main_text.read_plain(source), "", "")
        )
        check_time()
        is_notice = len(text) < main_text.MIN_CHARACTERS
        links = client_redirects.Links()
        if is_notice or (follow and (refresh or _REFRESH.search(source))):
            links = client_redirects.find_links(source if is_html else "", refresh)
            target = client_redirects.redirect_target(links, url, text, title, is_notice=is_notice)
            if target:
                return target
        if not text:
            raise client_redirects.empty_page(links, url)
    return Document(page_content=text, metadata={"source": url, "title": title, "language": language})


def _to_text(html: bytes | str, content_type: str, url: str) -> tuple[str, bool]:
    """Return the source of a page as text, and whether it is HTML."""
    from llmkit.web.charset import decode
    from llmkit.web.headers import HTML, PDF, is_xml, parse_content_type, validate_media_type

    declared = parse_content_type(content_type)
    validate_media_type(declared.media_type)
    if isinstance(html, bytes):
        if html[:1024].lstrip().startswith(b"%PDF-"):
            raise PageRefused(PDF)
        html = decode(html, str(declared), url)
        if "\0" in html[:_SNIFFED]:
            raise PageRefused("is not text: only HTML, XHTML and plain text are read")
    text = html.encode(errors="replace").decode().replace("\0", "")  # a lone surrogate is no text
    if is_xml(declared.media_type) and not _XHTML.match(text):
        raise PageRefused(f"is {declared.media_type} and not XHTML: only HTML, XHTML and plain text are read")
    is_html = declared.media_type in HTML or is_xml(declared.media_type)
    return text, is_html or (not declared.media_type and _TAG.match(text[:_SNIFFED]) is not None)
