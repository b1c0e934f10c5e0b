"""Which responses of a server are pages that can be read."""

from __future__ import annotations

import requests

from llmkit.errors import PageError, PageRefused
from llmkit.web.urls import printable

PDF = "is a PDF, which is not read: make it text, with pdftotext for example, and give that"
BUSY = {429, 503}
HTML, PLAIN = ("text/html", "application/xhtml+xml"), ("text/plain", "text/markdown")
_CONTENT_ENCODINGS = {"", "identity", "gzip", "x-gzip", "deflate"}


def validate_response(response: requests.Response) -> None:
    """Check by its headers that a response is a page; the messages continue the URL.

    Raises:
        PageError: the server has no page for this URL, or not now.
        PageRefused: it is of another media type, such as PDF.
    """
    status = response.status_code
    if status in BUSY:
        wait = response.headers.get("Retry-After", "")
        request = f", and asks to wait {printable(wait)} s" if wait.isdecimal() else ""
        raise PageError(f"is busy ({status}){request}: try again later")
    if status in {404, 410}:
        raise PageError(f"is not there ({status}): check the URL")
    if status in {401, 402, 403, 407, 451}:
        raise PageError(f"is closed to programs or strangers ({status}): save it in a browser, and give its text")
    if status != 200:
        raise PageError(f"answers {status} ({printable(response.reason or '')}) instead of a page: try again later")
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _CONTENT_ENCODINGS:
        raise PageError(f"is packed as {printable(encoding)}, which was not asked for: save it in a browser")
    media_type(response.headers.get("Content-Type", ""))


def media_type(content_type: str) -> str:
    """Return the media type in a `Content-Type` header, such as `text/html`; empty where there is none.

    Raises:
        PageRefused: it is a media type that is not read.
    """
    declared = content_type.partition(";")[0].strip().lower()
    if declared == "application/pdf":
        raise PageRefused(PDF)
    if declared and declared not in (*HTML, *PLAIN):
        raise PageRefused(f"is {printable(declared)}: only HTML, XHTML and plain text are read")
    return declared
