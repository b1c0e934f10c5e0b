"""Which answers of a server are pages that can be read."""

from __future__ import annotations

import requests

from llmkit.errors import PageError, PageRefused
from llmkit.web.urls import show

PDF = "is a PDF, which is not read: make it text, with pdftotext for example, and give that"
BUSY = {429, 503}
HTML, PLAIN = ("text/html", "application/xhtml+xml"), ("text/plain", "text/markdown")
_PACKED = {"", "identity", "gzip", "x-gzip", "deflate"}


def check(response: requests.Response) -> None:
    """Let an answer pass that is a page, by its headers alone. The messages go on from the URL.

    Raises:
        PageError: the server has no page for this URL, or not now.
        PageRefused: it is of another kind, a PDF for example.
    """
    status = response.status_code
    if status in BUSY:
        wait = response.headers.get("Retry-After", "")
        wish = f", and asks to wait {show(wait)} s" if wait.isdecimal() else ""
        raise PageError(f"is busy ({status}){wish}: try again later")
    if status in {404, 410}:
        raise PageError(f"is not there ({status}): check the URL")
    if status in {401, 402, 403, 407, 451}:
        raise PageError(f"is closed to programs or strangers ({status}): save it in a browser, and give its text")
    if status != 200:
        raise PageError(f"answers {status} ({show(response.reason or '')}) instead of a page: try again later")
    packed = response.headers.get("Content-Encoding", "").strip().lower()
    if packed not in _PACKED:
        raise PageError(f"is packed as {show(packed)}, which was not asked for: save it in a browser")
    check_kind(response.headers.get("Content-Type", ""))


def check_kind(content_type: str) -> str:
    """Give the kind of a page, as `text/html`; empty where it is not told.

    Raises:
        PageRefused: it is a kind that is not read.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/pdf":
        raise PageRefused(PDF)
    if kind and kind not in (*HTML, *PLAIN):
        raise PageRefused(f"is {show(kind)}: only HTML, XHTML and plain text are read")
    return kind
