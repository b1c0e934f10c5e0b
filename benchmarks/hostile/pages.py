"""Pages that were made to be slow, as large as they may be to be read, up to two megabytes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.hostile.attempts import Attempt

PARTS = {
    "divs": "<div>a</div>",
    "nested divs": "<div>a",
    "empty divs": "<div></div>",
    "bold": "<b>a</b>",
    "nested bold": "<b>a",
    "cells": "<td>a",
    "rows": "<tr><td>a<td>b",
    "tables": "<table><tr><td>a</table>",
    "nested tables": "<table><tr><td>",
    "items": "<li>a",
    "nested lists": "<ul><li>a",
    "links": "<a href=b>a</a>",
    "superscripts": "a<sup>2</sup> ",
    "headings": "<h2>a</h2>",
    "panels": "<a href=#b aria-controls=b>a</a><div id=b hidden>c</div>",
    "prices": "<span>$</span><span>1</span><sup>99</sup> ",
    "entities": "&amp;",
    "attributes": "<p a=b c=d e=f g=h>a",
    "comments": "<!--a-->",
    "one line": "a",
    "unfinished tags": "<a ",
    "styles": "<i style=opacity:0>a</i>",
    "forms": "<input value=a>",
    "breaks": "a<br>",
}
BYTES = 2_000_000
_TOO_LARGE = ("nested bold", "cells", "prices")
"""Kinds that are tried beyond the number of elements that are read, too: until then all kinds cost about the same."""


def attempts() -> Iterator[Attempt]:
    """Yield an attempt for each kind of page: of two megabytes, and of as many parts as are read."""
    from llmkit.web import read
    from llmkit.web.parsing import MAX_ELEMENTS

    read("<!doctype html><p>Imports are not measured.", content_type="text/html")
    for name, part in PARTS.items():
        elements = max(1, part.count("<") - part.count("</"))
        longest = min(BYTES, MAX_ELEMENTS // elements * len(part) * 95 // 100)
        for size in {longest, BYTES} if name in _TOO_LARGE else {longest}:
            yield Attempt(f"{name}, {size / 1e6:.1f} MB", partial(_read, page(name, size)))


def page(name: str, size: int) -> str:
    """Return a page of a kind, of about so many bytes."""
    part = PARTS[name]
    body = part * (size // len(part))
    table = name in {"cells", "rows"}
    return f"<!doctype html><title>t</title><body>{'<table>' if table else ''}{body}"


def _read(html: str) -> str:
    from llmkit.web import read

    return f"{len(read(html, content_type='text/html').page_content):,} characters"
