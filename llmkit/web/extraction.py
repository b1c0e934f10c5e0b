"""The readable text of a page: its main text, or else all that is visible."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmkit.errors import PageError, PageRefused

if TYPE_CHECKING:
    from bs4 import BeautifulSoup
    from langchain_core.documents import Document

_TAG = re.compile(r"<(?:[a-z][a-z0-9]*[\s/>]|!doctype\b|!--|\?xml\b)", re.IGNORECASE)
_XML = re.compile(r"\A\s*<\?xml[^>]*>")
_LANGUAGE = re.compile(r"[a-z]{2,8}(?:[-_][a-z0-9]{1,8})*", re.IGNORECASE)
_SNIFFED = 4096  # characters in which a kind of text is recognized
_CHARSET_SAMPLE = 1 << 16


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
        text, title, language = _read_page(html, content_type)
        if not text:
            raise PageError("has no readable text: if a browser shows some, scripts made it; save it from there")
    return Document(page_content=text, metadata={"source": url, "title": title, "language": language})


def _read_page(html: bytes | str, content_type: str) -> tuple[str, str, str]:
    """Return the text, the title and the language."""
    from llmkit.web.responses import PLAIN, media_type

    declared = media_type(content_type)
    text = _to_text(html, content_type)
    if declared in PLAIN or (not declared and not _TAG.search(text[:_SNIFFED])):
        return _read_plain(text), "", ""
    return _read_html(text)


def _to_text(html: bytes | str, content_type: str) -> str:
    from llmkit.web.responses import PDF

    if isinstance(html, bytes):
        if html[:1024].lstrip().startswith(b"%PDF-"):
            raise PageRefused(PDF)
        html = _decode(html, content_type)
        if "\0" in html[:_SNIFFED]:
            raise PageRefused("is not text: only HTML, XHTML and plain text are read")
    return html.encode(errors="replace").decode().replace("\0", "")  # a lone surrogate is no text


def _decode(body: bytes, content_type: str) -> str:
    """Decode as browsers do: by the byte order mark, the HTTP header, the page's own declaration, or a guess."""
    from w3lib.encoding import html_to_unicode

    return str(html_to_unicode(content_type, body, default_encoding="cp1252", auto_detect_fun=_guess_charset)[1])


def _guess_charset(body: bytes) -> str | None:
    from charset_normalizer import from_bytes
    from w3lib.encoding import resolve_encoding

    try:
        body.decode()
    except UnicodeDecodeError:
        best = from_bytes(body[:_CHARSET_SAMPLE]).best()
        return resolve_encoding(best.encoding) if best else None
    return "utf-8"


def _read_plain(text: str) -> str:
    from llmkit.web.visible import remove_invisible_characters

    lines = [remove_invisible_characters(line).rstrip() for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _read_html(html: str) -> tuple[str, str, str]:
    from llmkit.web.main_text import extract_main_text
    from llmkit.web.visible import parse_visible

    soup = parse_visible(_XML.sub("", html, count=1) + "\n")
    return extract_main_text(soup), _title(soup), _language(soup)


def _title(soup: BeautifulSoup) -> str:
    from llmkit.web.visible import remove_invisible_characters

    element = soup.title or soup.find("h1")
    return " ".join(remove_invisible_characters(element.get_text(" ")).split()) if element else ""


def _language(soup: BeautifulSoup) -> str:
    root = soup.find("html")
    declared = [str(root.get(name, "")).strip() for name in ("lang", "xml:lang")] if root else []
    return next(filter(_LANGUAGE.fullmatch, declared), "")
