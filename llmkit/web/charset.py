"""From the bytes of a page to its text, as browsers do it."""

from __future__ import annotations

from charset_normalizer import from_bytes
from w3lib.encoding import html_to_unicode, resolve_encoding

_SAMPLE = 1 << 16


def decode(body: bytes, content_type: str) -> str:
    """Give the text: by its byte order mark, or the HTTP header, or the page's own word, or else by its looks."""
    _, text = html_to_unicode(content_type, body, default_encoding="cp1252", auto_detect_fun=_guess)
    return text


def _guess(body: bytes) -> str | None:
    try:
        body.decode()
    except UnicodeDecodeError:
        best = from_bytes(body[:_SAMPLE]).best()
        return resolve_encoding(best.encoding) if best else None
    return "utf-8"
