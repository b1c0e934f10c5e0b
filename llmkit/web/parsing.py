"""The visible elements of a page, arranged as browsers arrange them.

What is hidden is left out while the page is parsed, in one pass, however deep it is nested.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from bs4 import BeautifulSoup, Tag
from bs4.builder import LXMLTreeBuilder  # type: ignore[attr-defined]

from llmkit.errors import PageRefused
from llmkit.web.panels import is_switch, opened, panels_of, tab_panels_of
from llmkit.web.visible import ZERO, is_hidden, read_style

MAX_ELEMENTS = 100_000
"""About what the longest lists of Wikipedia have. Each takes 50 to 130 microseconds: 13 seconds at most."""
_MAX_PIECES = 2_000_000
"""Pieces of text, of which each entity, and each `<` and `&` that is none, begins one; they take seconds."""
_MAX_ATTRIBUTES = 64
_CHECK_TIME_EVERY = 256
_CHECK_PIECES_EVERY = 8192
MAX_DEPTH = 512
"""Elements that are nested deeper end where they begin, so that their contents follow them, as in Chrome and Safari."""
_IN_HEAD = frozenset(("html", "head", "base", "basefont", "bgsound", "link", "meta", "title"))
"""What does not begin the body, if it is shown at all."""
_RUBY = frozenset(("rt", "rp"))
_TABLE_PARTS = frozenset(("table", "thead", "tbody", "tfoot", "tr"))
_TRANSPARENT_STYLE = re.compile(rf"(?:^|;)\s*opacity\s*:\s*{ZERO}", re.IGNORECASE)
_MIN_ANIMATED = 250
"""Characters from which on transparent text may be the page itself, which fades in while one scrolls."""
_BREAK = re.compile(r"</?wbr(?:[\s/][^<>]*)?>", re.IGNORECASE)
"""Where a line may break. To libxml2 this is no empty element: all that follows would be in it."""


def parse_visible(html: str, check_time: Callable[[], None]) -> BeautifulSoup:
    """Parse the visible elements of a page.

    The panels of accordions and tabs are visible: a click shows them. Transparent elements are left out, unless most of
    the page is transparent: then its scripts show it.

    Args:
        html: the page.
        check_time: is called often, and may raise an error that ends the parsing.

    Raises:
        PageRefused: it has so many elements that reading it would take long, and much memory.
    """
    builder = _VisibleBuilder(check_time)
    soup = BeautifulSoup(_BREAK.sub("", html), builder=builder)
    if builder.transparent and not _fades_in(soup, builder.transparent):
        for element in builder.transparent:
            if not element.decomposed:
                element.decompose()
    return soup


def _fades_in(soup: BeautifulSoup, transparent: Sequence[Tag]) -> bool:
    """Return whether the transparent elements are the page itself: all of its text, or a long text and most of it."""
    inside = {id(part) for element in transparent for part in element.find_all(True)}
    faded = sum(_length(element) for element in transparent if id(element) not in inside)
    shown = _length(soup.body or soup) - faded
    return faded > shown and (faded >= _MIN_ANIMATED or not shown)


def _length(tag: Tag) -> int:
    return sum(len(text) for text in tag.stripped_strings)


class _VisibleBuilder(LXMLTreeBuilder):  # type: ignore[misc]
    def __init__(self, check_time: Callable[[], None]) -> None:
        super().__init__()
        self._check_time = check_time
        self.transparent: list[Tag] = []
        self._elements = self._pieces = self._hidden = self._too_deep = 0
        self._panels: set[str] = set()
        self._has_implied_body = False
        self._forms_in_tables = 0

    def start(self, tag: str | bytes, attrib: Mapping[Any, Any], nsmap: Mapping[Any, Any] | None = None) -> None:
        if tag == "body" and self._has_implied_body:
            return
        self._count_element()
        style = read_style(attrib)
        is_not_shown = is_hidden(str(tag), attrib)
        is_transparent = _TRANSPARENT_STYLE.search(style) is not None and tag not in {"html", "body"}
        if not self._hidden and (is_not_shown or is_transparent) and self._is_panel(str(tag), attrib, style):
            attrib, is_not_shown, is_transparent = opened(attrib), False, False
        is_too_deep = len(self.soup.tagStack) > MAX_DEPTH
        if self._hidden or is_not_shown or (is_transparent and is_too_deep):
            self._hidden += 1
            return
        if tag not in _IN_HEAD and self.soup.currentTag.name == "head":
            self._begin_body()
        if tag in _RUBY and self.soup.currentTag.name in _RUBY:  # which libxml2 does not end, and their tags may lack
            super().end(self.soup.currentTag.name)
        if tag == "form" and self.soup.currentTag.name in _TABLE_PARTS:  # it does not hold the rows, in browsers
            self._forms_in_tables += 1
            return
        around = islice(reversed(self.soup.tagStack), 3)
        self._panels.update(panels_of(attrib) or (tab_panels_of(attrib, around) if tag == "a" else ()))
        super().start(tag, dict(islice(attrib.items(), _MAX_ATTRIBUTES)))
        if is_too_deep:
            super().end(tag)
            self._too_deep += 1
        elif is_transparent:
            self.transparent.append(self.soup.currentTag)

    def _count_element(self) -> None:
        self._elements += 1
        if self._elements % _CHECK_TIME_EVERY == 0:
            self._check_time()
        if self._elements > MAX_ELEMENTS:
            raise _too_many(MAX_ELEMENTS, "elements")

    def _begin_body(self) -> None:
        """End the head before what is no part of it, as the HTML standard does where their tags are left out.

        libxml2 does so for the elements of HTML 4 only: it puts a first `main` or `article` into the head.
        """
        super().end("head")
        super().start("body", {})
        self._has_implied_body = True

    def _is_panel(self, tag: str, attributes: Mapping[str, str], style: str) -> bool:
        """Return whether a hidden element is the panel of an accordion or tab that came before it."""
        known = (
            attributes.get("id") in self._panels
            or attributes.get("role") == "tabpanel"
            or is_switch(_last_element(self.soup.currentTag))
        )
        return known and not is_hidden(tag, opened(attributes))

    def end(self, tag: str | bytes) -> None:
        if tag == "head" and self._has_implied_body:
            return
        if self._hidden:
            self._hidden -= 1
        elif self._too_deep:
            self._too_deep -= 1
        elif tag == "form" and self._forms_in_tables:
            self._forms_in_tables -= 1
        else:
            super().end(tag)

    def data(self, data: str | bytes) -> None:
        self._pieces += 1
        if self._pieces % _CHECK_PIECES_EVERY == 0:
            self._check_time()
        if self._pieces > _MAX_PIECES:
            raise _too_many(_MAX_PIECES, "entities and pieces of text")
        if not self._hidden:
            super().data(data)

    def comment(self, text: str | bytes) -> None:
        pass

    def pi(self, target: str, data: str) -> None:
        pass

    def doctype(self, name: str, pubid: str, system: str) -> None:
        pass


def _too_many(limit: int, what: str) -> PageRefused:
    return PageRefused(
        f"has more than {limit:,} {what}, which would take long to read: save the part that matters as text, and give "
        "that file"
    )


def _last_element(parent: Tag) -> Tag | None:
    return next((node for node in reversed(parent.contents[-2:]) if isinstance(node, Tag)), None)
