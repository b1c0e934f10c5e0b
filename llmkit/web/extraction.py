"""The readable text of a page: its main text, or else all that is visible."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmkit.errors import PageError, PageRefused

if TYPE_CHECKING:
    from langchain_core.documents import Document

_PDF = "is a PDF, which is not read: make it text, with pdftotext for example, and give that"
_HTML, _PLAIN = ("text/html", "application/xhtml+xml"), ("text/plain", "text/markdown")
_TAG = re.compile(r"<(?:[a-z][a-z0-9]*[\s/>]|!doctype\b|!--|\?xml\b)", re.IGNORECASE)
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
    from langchain_core.documents import Document

    from llmkit.web.urls import name_in_errors

    with name_in_errors(url):
        text, title, language = _read_page(html, content_type, url)
        if not text:
            raise PageError("has no readable text: if a browser shows some, scripts made it; save it from there")
    return Document(page_content=text, metadata={"source": url, "title": title, "language": language})


def _read_page(html: bytes | str, content_type: str, url: str) -> tuple[str, str, str]:
    """Return the text, the title and the language."""
    from llmkit.web import main_text

    declared = media_type(content_type)
    text = _to_text(html, content_type, url)
    if declared in _PLAIN or (not declared and not _TAG.search(text[:_SNIFFED])):
        return main_text.read_plain(text), "", ""
    return main_text.read_html(text)


def _to_text(html: bytes | str, content_type: str, url: str) -> str:
    from llmkit.web.charset import decode

    if isinstance(html, bytes):
        if html[:1024].lstrip().startswith(b"%PDF-"):
            raise PageRefused(_PDF)
        html = decode(html, content_type, url)
        if "\0" in html[:_SNIFFED]:
            raise PageRefused("is not text: only HTML, XHTML and plain text are read")
    return html.encode(errors="replace").decode().replace("\0", "")  # a lone surrogate is no text


def media_type(content_type: str) -> str:
    """Return the media type in a `Content-Type` header, such as `text/html`; empty where there is none.

    Raises:
        PageRefused: it is a media type that is not read.
    """
    from llmkit.web.urls import printable

    declared = content_type.partition(";")[0].strip().lower()
    if declared == "application/pdf":
        raise PageRefused(_PDF)
    if declared and declared not in (*_HTML, *_PLAIN):
        raise PageRefused(f"is {printable(declared)}: only HTML, XHTML and plain text are read")
    return declared
