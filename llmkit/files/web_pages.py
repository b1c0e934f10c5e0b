"""Web pages that were saved as files: HTML, or MHTML, which is HTML and its images in one file (RFC 2557)."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from pathlib import PurePath
from typing import TYPE_CHECKING

from llmkit.errors import InputError, PageError, PageRefused
from llmkit.files import encodings

if TYPE_CHECKING:
    from langchain_core.documents import Document

HTML, XHTML, MHTML = "text/html", "application/xhtml+xml", "multipart/related"

_BY_ENDING = {
    **dict.fromkeys((".html", ".htm", ".shtml"), HTML),
    **dict.fromkeys((".xhtml", ".xht"), XHTML),
    **dict.fromkeys((".mhtml", ".mht"), MHTML),
}
_SNIFFED = 1 << 14
_PAGE = re.compile(r"\s*(?>(?:<\?xml[^>]*>|<!--.*?-->)\s*)*+<(?:!doctype\s+html|html|head|body)[\s>]", re.I | re.S)
_FRAGMENT = re.compile(
    r"\s*(?><!--.*?-->\s*)*+<(title|h[1-6]|div|p|table|ul|ol|section|article|main)[\s>]", re.I | re.S
)
_MARKUP_BY_ENDING = (".md", ".markdown", ".mdx", ".rst", ".xml", ".svg", ".vue", ".svelte", ".php", ".js", ".jsx")
"""Such files may begin with a tag, and are no pages."""
_MHTML = re.compile(rb"(?:[\w-]+:[^\n]*\n(?:[ \t][^\n]*\n)*)*?content-type:\s*multipart/related\b", re.I)


def media_type(data: bytes, name: str) -> str | None:
    """Return the media type of a page, by the file's ending or by its beginning; none for what is no page.

    A document is recognized by its first tag, as by the WHATWG's MIME Sniffing standard. A mere part of one, such as
    `<p>…`, must also close that tag, for a text may begin with `<b> said`.
    """
    ending = PurePath(name).suffix.lower()
    if _MHTML.match(data[:_SNIFFED].replace(b"\r\n", b"\n")):
        return MHTML
    mark, encoding = encodings.find_encoding(data)
    head = data[len(mark) : _SNIFFED].decode(encoding, errors="replace")
    if _PAGE.match(head):
        return XHTML if _BY_ENDING.get(ending) == XHTML else HTML
    if ending in _BY_ENDING:
        return HTML if _BY_ENDING[ending] == MHTML else _BY_ENDING[ending]
    fragment = None if ending in _MARKUP_BY_ENDING else _FRAGMENT.match(head)
    return HTML if fragment and f"</{fragment[1].lower()}>" in head.lower() else None


def read(data: bytes, name: str, kind: str) -> Document:
    """Read a page of this media type.

    Raises:
        InputError: it has no readable text.
    """
    from llmkit.web import read as read_page

    body: bytes | str = data
    if kind == MHTML:
        body, kind = _html_part(data, name)
    if isinstance(body, bytes) and not body.strip():
        raise InputError(f"{name} is empty")
    try:
        page = read_page(body, name, kind)
    except (PageError, PageRefused) as error:
        raise InputError(str(error)) from error
    page.metadata["source"] = name
    return page


def _html_part(data: bytes, name: str) -> tuple[bytes, str]:
    """Return the page of an MHTML file: its first part that is HTML, with its Content-Type."""
    message = message_from_bytes(data, policy=policy.default)
    for part in message.walk():
        if part.get_content_type() in (HTML, XHTML):
            body = part.get_payload(decode=True)
            charset = part.get_content_charset()
            return body if isinstance(body, bytes) else b"", f"{HTML}; charset={charset}" if charset else HTML
    raise InputError(f"{name} is a web archive without a page: save the page again, as HTML")
