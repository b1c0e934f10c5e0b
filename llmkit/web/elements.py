"""How a page shows an element: as a block or within a line, with its white space, or beside the text."""

from __future__ import annotations

import re
from collections.abc import Collection

from bs4 import Tag
from bs4.element import PageElement

HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "summary"))
LIST_ITEMS = frozenset(("li", "dt", "dd"))
# fmt: off
CONTAINERS = frozenset((
    "article", "body", "center", "details", "dialog", "div", "fieldset", "figure", "figcaption", "footer", "form",
    "header", "legend", "main", "section", "[document]",
))
"""Blocks that hold other blocks, or text of their own."""
_BLOCKS = CONTAINERS | HEADINGS | LIST_ITEMS | frozenset((
    "address", "aside", "blockquote", "caption", "dl", "hgroup", "hr", "html", "listing", "menu", "nav", "ol",
    "p", "pre", "search", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
))
# fmt: on
_BLOCK_STYLE = re.compile(r"(?:^|;)\s*display\s*:\s*(?:block|flex|grid|list-item|table|flow-root)\b", re.IGNORECASE)
_INLINE_STYLE = re.compile(r"(?:^|;)\s*display\s*:\s*(?:-webkit-)?inline", re.IGNORECASE)
_PREFORMATTED_STYLE = re.compile(r"(?:^|;)\s*white-space(?:-collapse)?\s*:\s*(?:pre|break-spaces)", re.IGNORECASE)
_BESIDE = frozenset(("nav", "footer", "aside"))
_BESIDE_ROLES = frozenset(("navigation", "banner", "contentinfo", "search"))


def is_block(tag: Tag) -> bool:
    """Return whether an element begins and ends a line."""
    style = attribute(tag, "style")
    if style and _INLINE_STYLE.search(style):
        return False
    if tag.name in _BLOCKS or _BLOCK_STYLE.search(style):
        return True
    parent: Tag | None = tag
    while parent is not None and "-" in parent.name:  # most are styled as blocks, unless they stand within a line
        parent = parent.parent
    return parent is not tag and parent is not None and parent.name in CONTAINERS


def is_preformatted(tag: Tag) -> bool:
    """Return whether an element is a block whose white space counts."""
    if tag.name in {"pre", "listing"}:
        return True
    return bool(_PREFORMATTED_STYLE.search(attribute(tag, "style"))) and is_block(tag) and not tag.find(is_block)


def is_beside_text(tag: Tag) -> bool:
    """Return whether an element stands beside the text on most sites: menus, asides, footers."""
    if tag.name == "footer" and is_within(tag, {"blockquote"}):  # says who is quoted
        return False
    return tag.name in _BESIDE or tag.get("role") in _BESIDE_ROLES


def is_within(node: PageElement, names: Collection[str]) -> bool:
    """Return whether one of the elements around a node has one of these names."""
    return any(parent.name in names for parent in node.parents)


def attribute(tag: Tag, name: str) -> str:
    """Return an attribute as text; empty where the element has none."""
    value = tag.get(name)
    return " ".join(value) if isinstance(value, list) else value or ""
