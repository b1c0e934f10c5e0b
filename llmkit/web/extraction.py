"""The readable text of a page: trafilatura finds the main text, and where it finds none, all that is visible counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmkit.errors import PageError, PageRefused
from llmkit.web.invisible_characters import clean

if TYPE_CHECKING:
    from bs4 import BeautifulSoup
    from langchain_core.documents import Document

_TAG = re.compile(r"<(?:[a-z][a-z0-9]*[\s/>]|!doctype\b|!--|\?xml\b)", re.IGNORECASE)
_XML = re.compile(r"\A\s*<\?xml[^>]*>")
_LANGUAGE = re.compile(r"[a-z]{2,8}(?:[-_][a-z0-9]{1,8})*", re.IGNORECASE)
_SNIFFED = 4096


def read(html: bytes | str, url: str = "", content_type: str = "") -> Document:
    """Give the readable text of a page that is already here.

    Args:
        html: the page; bytes are decoded as browsers do it.
        url: where it is from.
        content_type: as the server told it, with the charset; else it is seen from the page.

    Returns:
        A Document as `fetch` gives it.

    Raises:
        PageRefused: it is a PDF, or of another kind that is not read.
        PageError: it has no readable text.
    """
    from langchain_core.documents import Document

    from llmkit.web.urls import naming

    with naming(url):
        text, title, language = _parts(html, content_type)
        if not text:
            raise PageError("has no readable text: if a browser shows some, scripts made it; save it from there")
    return Document(page_content=text, metadata={"source": url, "title": title, "language": language})


def _parts(html: bytes | str, content_type: str) -> tuple[str, str, str]:
    """The text, the title and the language."""
    from llmkit.web.responses import PLAIN, check_kind

    kind = check_kind(content_type)
    text = _decoded(html, content_type)
    if kind in PLAIN or (not kind and not _TAG.search(text[:_SNIFFED])):
        return _plain(text), "", ""
    return _read_html(text)


def _decoded(html: bytes | str, content_type: str) -> str:
    from llmkit.web.charset import decode
    from llmkit.web.responses import PDF

    if isinstance(html, bytes):
        if html[:1024].lstrip().startswith(b"%PDF-"):
            raise PageRefused(PDF)
        html = decode(html, content_type)
        if "\0" in html[:_SNIFFED]:
            raise PageRefused("is no text: only HTML, XHTML and plain text are read")
    return html.encode(errors="replace").decode().replace("\0", "")  # a lone surrogate is no text


def _plain(text: str) -> str:
    lines = [clean(line).rstrip() for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _read_html(html: str) -> tuple[str, str, str]:
    from llmkit.web import main_text, visible

    soup = visible.tree(_XML.sub("", html, count=1) + "\n")
    return main_text.find(soup), _title(soup), _language(soup)


def _title(soup: BeautifulSoup) -> str:
    element = soup.title or soup.find("h1")
    return " ".join(clean(element.get_text(" ")).split()) if element else ""


def _language(soup: BeautifulSoup) -> str:
    root = soup.find("html")
    said = [str(root.get(name, "")).strip() for name in ("lang", "xml:lang")] if root else []
    return next(filter(_LANGUAGE.fullmatch, said), "")
