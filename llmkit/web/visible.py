"""What a person sees of a page: its visible elements, and characters that have a shape.

A page may hide instructions to a model in what nobody sees: in elements that are not displayed, in comments, and in
invisible characters. Such elements are left out while the page is parsed, in one pass, however deep they are nested.
Hiding by style sheets and scripts is not detected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import regex
from bs4 import BeautifulSoup, Tag
from bs4.builder import LXMLTreeBuilder  # type: ignore[attr-defined]

from llmkit.errors import PageRefused

MAX_ELEMENTS, _MAX_ATTRIBUTES = 250_000, 64
MAX_DEPTH = 512
"""Elements that are nested deeper end where they begin, so that their contents follow them, as in Chrome and Safari."""
# fmt: off
_NEVER_SHOWN = frozenset((
    "script", "style", "noscript", "template", "iframe", "noframes", "object", "embed", "applet", "canvas", "svg",
    "audio", "video", "datalist", "textarea", "select", "annotation", "annotation-xml", "meter", "progress",
))
# fmt: on
_IN_HEAD = frozenset(("html", "head", "base", "basefont", "bgsound", "link", "meta", "title"))
"""What does not begin the body, if it is shown at all."""
_RUBY = frozenset(("rt", "rp"))
_STRUCK = frozenset(("s", "strike", "del"))
"""What the page takes back: a price that was, a word that was replaced."""
_ZERO = r"\+?(?=[\d.])0*+(?:\.0*+)?(?:[a-z]+|%)?\s*(?:;|!|$)"
_HIDING_STYLE = re.compile(
    rf"""(?:^|;)\s*(?:
        display\s*:\s*none
      | visibility\s*:\s*(?:hidden|collapse)
      | content-visibility\s*:\s*hidden
      | font-size\s*:\s*{_ZERO}
      | font\s*:(?:[^;]*\s)?0(?:px|pt|em|rem|%)?[\s/]
      | color\s*:\s*transparent
      | (?:text-indent|left|top|right|bottom|margin-left|margin-top)\s*:\s*-\d{{4}}
      | text-decoration(?:-line)?\s*:[^;]*line-through
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_TRANSPARENT_STYLE = re.compile(rf"(?:^|;)\s*opacity\s*:\s*{_ZERO}", re.IGNORECASE)
_COLLAPSED_STYLE = re.compile(
    rf"(?:^|;)\s*(?:display\s*:\s*none|(?:content-)?visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*{_ZERO})",
    re.IGNORECASE,
)
_MIN_ANIMATED = 250
"""Characters from which on transparent text may be the page itself, which fades in while one scrolls."""
PANEL_SWITCHES = frozenset(("collapse", "tab", "pill"))
"""What `data-toggle` says of a button that shows a panel (Bootstrap)."""
_TABS = re.compile(r"(?<![a-z])tabs?(?![a-z])", re.IGNORECASE)
_SWITCH_PLACES = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "dt"))
_BREAK = re.compile(r"</?wbr(?:[\s/][^<>]*)?>", re.IGNORECASE)
"""Where a line may break. To libxml2 this is no empty element: all that follows would be in it."""
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.DOTALL)
_CSS_ESCAPE = re.compile(r"\\([0-9a-f]{1,6})\s?|\\(.)", re.DOTALL | re.IGNORECASE)
_MAX_STYLE_LENGTH = 10_000
_JOINED = (
    r"\p{Arabic}\p{Syriac}\p{Mongolian}\p{Nko}\p{Mandaic}\p{Adlam}\p{Hanifi_Rohingya}\p{Indic_Syllabic_Category=Virama}"
)
_PICTURE = r"\p{Extended_Pictographic}\p{Emoji_Modifier}"
_SHAPELESS = regex.compile(
    rf"""
      (?<= [{_JOINED}] \p{{M}}{{0,4}} ) [\u200C\u200D] (?= [\u200C\u200D]{{0,9}} [\p{{L}}\p{{M}}] ) (*SKIP)(*FAIL)
    | (?<= \p{{Indic_Syllabic_Category=Virama}} | [\u0647] ) \u200D (*SKIP)(*FAIL)
    | (?<= [{_PICTURE}] \uFE0F? ) \u200D (?= [{_PICTURE}] ) (*SKIP)(*FAIL)  # a family
    | (?<= \U0001F3F4 [\U000E0020-\U000E007E]{{0,6}} ) [\U000E0020-\U000E007F] (*SKIP)(*FAIL)  # the flag of Scotland
    | (?<= [^\uFE00-\uFE0F\s\p{{Cf}}] ) [\uFE0E\uFE0F] (*SKIP)(*FAIL)
    | (?<= \p{{Han}} ) [\U000E0100-\U000E01EF] (*SKIP)(*FAIL)
    | [\p{{Cc}}--[\n\t]]
    | \p{{Cf}} | \p{{Cs}} | \p{{Co}} | \p{{Variation_Selector}}
    | [\u034F\u115F\u1160\u17B4\u17B5\u3164\uFFA0]
    """,
    regex.VERBOSE | regex.VERSION1,
)

_MAY_BE_SHAPELESS = regex.compile(
    r"(?V1)[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Variation_Selector}\u034F\u115F\u1160\u17B4\u17B5\u3164\uFFA0--[\n\t]]"
)


def parse_visible(html: str) -> BeautifulSoup:
    """Parse the visible elements of a page.

    The panels of accordions and tabs are visible: a click shows them. Transparent elements are left out, unless most of
    the page is transparent: then its scripts show it.

    Raises:
        PageRefused: it has so many elements that reading it would take minutes.
    """
    builder = _VisibleBuilder()
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
    def __init__(self) -> None:
        super().__init__()
        self.transparent: list[Tag] = []
        self._elements = self._hidden = self._too_deep = 0
        self._panels: set[str] = set()
        self._has_implied_body = False

    def start(self, tag: str | bytes, attrib: Mapping[Any, Any], nsmap: Mapping[Any, Any] | None = None) -> None:
        if tag == "body" and self._has_implied_body:
            return
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise PageRefused(f"has more than {MAX_ELEMENTS} elements: give the text of the part that matters")
        style = _style(attrib)
        is_not_shown = is_hidden(str(tag), attrib)
        is_transparent = _TRANSPARENT_STYLE.search(style) is not None and tag not in {"html", "body"}
        if not self._hidden and (is_not_shown or is_transparent) and self._is_panel(str(tag), attrib, style):
            attrib, is_not_shown, is_transparent = _opened(attrib), False, False
        is_too_deep = len(self.soup.tagStack) > MAX_DEPTH
        if self._hidden or is_not_shown or (is_transparent and is_too_deep):
            self._hidden += 1
            return
        if tag not in _IN_HEAD and self.soup.currentTag.name == "head":
            self._begin_body()
        if tag in _RUBY and self.soup.currentTag.name in _RUBY:  # which libxml2 does not end, and their tags may lack
            super().end(self.soup.currentTag.name)
        self._panels.update(_panels_of(attrib) or (self._tab_panels_of(attrib) if tag == "a" else ()))
        super().start(tag, dict(islice(attrib.items(), _MAX_ATTRIBUTES)))
        if is_too_deep:
            super().end(tag)
            self._too_deep += 1
        elif is_transparent:
            self.transparent.append(self.soup.currentTag)

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
            or _is_switch(_last_element(self.soup.currentTag))
        )
        return known and not is_hidden(tag, _opened(attributes))

    def _tab_panels_of(self, link: Mapping[str, str]) -> list[str]:
        """Return the id of the panel that a link of a list of tabs shows (jQuery UI and others, by their classes)."""
        around = (link.get("class", ""), *(_classes(tag) for tag in islice(reversed(self.soup.tagStack), 3)))
        target = link.get("href", "")
        return [target[1:]] if target[:1] == "#" and any(map(_TABS.search, around)) else []

    def end(self, tag: str | bytes) -> None:
        if tag == "head" and self._has_implied_body:
            return
        if self._hidden:
            self._hidden -= 1
        elif self._too_deep:
            self._too_deep -= 1
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


def is_hidden(tag: str, attributes: Mapping[str, str]) -> bool:
    """Return whether an element is not displayed, or struck, by its tag, its attributes or its inline style."""
    if (
        tag in _NEVER_SHOWN
        or tag in _STRUCK
        or attributes.get("role") == "deletion"
        or (tag == "dialog" and "open" not in attributes)
    ):
        return True
    if tag in {"html", "body"}:  # a whole page that is hidden waits for its scripts to show it
        return False
    if "hidden" in attributes and attributes["hidden"].strip().lower() != "until-found":
        return True
    style = _style(attributes)
    return len(style) > _MAX_STYLE_LENGTH or _HIDING_STYLE.search(style) is not None


def _style(attributes: Mapping[str, str]) -> str:
    style = attributes.get("style") or ""
    return style if len(style) > _MAX_STYLE_LENGTH else _CSS_ESCAPE.sub(_unescape, _CSS_COMMENT.sub("", style))


def _panels_of(attributes: Mapping[str, str]) -> list[str]:
    """Return the ids of the panels that an element shows when it is clicked (WAI-ARIA, Bootstrap)."""
    toggle = attributes.get("data-bs-toggle") or attributes.get("data-toggle")
    is_switch = "aria-expanded" in attributes or attributes.get("role") == "tab" or toggle in PANEL_SWITCHES
    if not is_switch or attributes.get("aria-haspopup", "false") != "false":
        return []
    targets = (attributes.get(name, "") for name in ("data-bs-target", "data-target", "href"))
    return [*attributes.get("aria-controls", "").split(), *(target[1:] for target in targets if target[:1] == "#")]


def _opened(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of a panel as they are once it was opened."""
    opened = {name: value for name, value in attributes.items() if name not in {"hidden", "aria-hidden"}}
    if style := _style(attributes):
        opened["style"] = _COLLAPSED_STYLE.sub("", style)
    if "class" in opened:  # trafilatura drops what is called hidden
        opened["class"] = " ".join(name for name in opened["class"].split() if "hid" not in name.lower())
    return opened


def _classes(tag: Tag) -> str:
    names = tag.get("class") or ""
    return names if isinstance(names, str) else " ".join(names)


def _last_element(parent: Tag) -> Tag | None:
    return next((node for node in reversed(parent.contents[-2:]) if isinstance(node, Tag)), None)


def _is_switch(tag: Tag | None) -> bool:
    """Return whether an element is a button for what follows it: one that is expanded or not, or one in a heading."""
    if tag is None:
        return False
    in_heading = tag.name in _SWITCH_PLACES
    button = tag.find("button") if in_heading else tag if tag.name == "button" else None
    if not isinstance(button, Tag) or str(button.get("aria-haspopup", "false")) != "false":
        return False
    return in_heading or "aria-expanded" in button.attrs


def _unescape(match: re.Match[str]) -> str:
    number = int(match[1], 16) if match[1] else ord(match[2])
    return chr(number) if 0 < number < 0x110000 else ""


def remove_invisible_characters(text: str) -> str:
    """Remove characters without a shape, in which a page may hide words: zero-width, bidirectional, control, tags.

    Those that a script or an emoji needs, such as joiners between its letters, stay.
    """
    return _SHAPELESS.sub("", text) if _MAY_BE_SHAPELESS.search(text) else text
