"""The tree of what a person sees of a page: nothing else gets into it.

What nobody sees is where a page may hide orders to a model: in elements that are not displayed, and in comments. It is
left out while the page is parsed, which takes one pass however a page nests it. Hiding by style sheets and scripts is
not followed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from bs4 import BeautifulSoup
from bs4.builder import LXMLTreeBuilder  # type: ignore[attr-defined]

from llmkit.errors import PageRefused

MOST_ELEMENTS, _MOST_ATTRIBUTES = 250_000, 64
# fmt: off
_NEVER_SHOWN = frozenset((
    "script", "style", "noscript", "template", "iframe", "noframes", "object", "embed", "applet", "canvas", "svg",
    "audio", "video", "datalist", "input", "textarea", "select", "annotation", "annotation-xml",
))
# fmt: on
_NOUGHT = r"\+?(?=[\d.])0*\.?0*(?:[a-z]+|%)?\s*(?:;|!|$)"
_UNSEEN = re.compile(
    rf"""(?:^|;)\s*(?:
        display\s*:\s*none
      | visibility\s*:\s*(?:hidden|collapse)
      | content-visibility\s*:\s*hidden
      | (?:opacity|font-size)\s*:\s*{_NOUGHT}
      | font\s*:(?:[^;]*\s)?0(?:px|pt|em|rem|%)?[\s/]
      | color\s*:\s*transparent
      | (?:text-indent|left|top|right|bottom|margin-left|margin-top)\s*:\s*-\d{{4}}
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.DOTALL)
_CSS_ESCAPE = re.compile(r"\\([0-9a-f]{1,6})\s?|\\(.)", re.DOTALL | re.IGNORECASE)
_LONGEST_STYLE = 10_000


def tree(html: str) -> BeautifulSoup:
    """Parse a page.

    Raises:
        PageRefused: it has so many elements that to read it would take minutes.
    """
    return BeautifulSoup(html, builder=_Builder())


class _Builder(LXMLTreeBuilder):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self._elements = self._hidden = 0

    def start(self, tag: str | bytes, attrib: Mapping[Any, Any], nsmap: Mapping[Any, Any] | None = None) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise PageRefused(f"has more than {MOST_ELEMENTS} elements: give the text of the part that matters")
        if self._hidden or _is_hidden(str(tag), attrib):
            self._hidden += 1
        else:
            super().start(tag, dict(islice(attrib.items(), _MOST_ATTRIBUTES)))

    def end(self, tag: str | bytes) -> None:
        if self._hidden:
            self._hidden -= 1
        else:
            super().end(tag)

    def data(self, data: str | bytes) -> None:
        if not self._hidden:
            super().data(data)

    def comment(self, text: str | bytes) -> None:
        pass

    def pi(self, target: str, data: str) -> None:
        pass

    def doctype(self, name: str, pubid: str, system: str) -> None:
        pass


def _is_hidden(tag: str, attributes: Mapping[str, str]) -> bool:
    if tag in _NEVER_SHOWN or (tag == "dialog" and "open" not in attributes):
        return True
    if tag in {"html", "body"}:  # a whole page that is hidden waits for its scripts to show it
        return False
    if "hidden" in attributes and attributes["hidden"].strip().lower() != "until-found":
        return True
    style = attributes.get("style")
    if not style:
        return False
    if len(style) > _LONGEST_STYLE:
        return True
    style = _CSS_ESCAPE.sub(_escaped, _CSS_COMMENT.sub("", style))
    return _UNSEEN.search(style) is not None


def _escaped(match: re.Match[str]) -> str:
    number = int(match[1], 16) if match[1] else ord(match[2])
    return chr(number) if 0 < number < 0x110000 else ""
