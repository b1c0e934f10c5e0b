"""The text of a page, as paragraphs with a blank line between them, its title and its language."""

from __future__ import annotations

import re
from typing import Any

import trafilatura
from bs4 import BeautifulSoup, Tag
from trafilatura.settings import use_config

from llmkit.quiet import silence_loggers
from llmkit.web.visible import parse_visible, remove_invisible_characters

MIN_CHARACTERS = 250
"""A shorter main text is a heading, a caption or a notice: all visible text is taken instead."""
_BLOCK, _LINE = "\x1e", "\x1f"
"""Marks for the ends of paragraphs and lines, for white space in the source of a page means neither."""
_SEPARATORS = {"p": _BLOCK, "head": _BLOCK, "quote": _BLOCK, "list": _BLOCK, "table": _BLOCK}
_SEPARATORS |= {"item": _LINE, "row": _LINE, "lb": _LINE}
_XML = re.compile(r"\A\s*<\?xml[^>]*>")
_LANGUAGE = re.compile(r"[a-z]{2,8}(?:[-_][a-z0-9]{1,8})*", re.IGNORECASE)
_BOILERPLATE = frozenset(("head", "nav", "footer", "aside", "form", "button"))
_BOILERPLATE_ROLES = frozenset(("navigation", "banner", "contentinfo", "search"))
_HTML_SEPARATORS = dict.fromkeys(("br", "li", "tr", "dt", "dd"), _LINE) | dict.fromkeys(("td", "th"), " ")
# fmt: off
_HTML_SEPARATORS |= dict.fromkeys((
    "address", "article", "blockquote", "body", "caption", "details", "div", "dl", "fieldset", "figcaption", "figure",
    "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "main", "ol", "p", "pre", "section", "summary", "table", "ul",
), _BLOCK)
# fmt: on

_CONFIG = use_config()
_CONFIG.set("DEFAULT", "MIN_EXTRACTED_SIZE", "0")  # trafilatura's fallback makes one paragraph of a short page

silence_loggers("trafilatura", "justext")


def read_plain(text: str) -> str:
    """Return plain text without invisible characters and with at most one blank line in a row."""
    lines = [remove_invisible_characters(line).rstrip() for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def read_html(html: str) -> tuple[str, str, str]:
    """Return the main text, the title and the language of a page."""
    soup = parse_visible(_XML.sub("", html, count=1) + "\n")
    return _main_text(soup), _title(soup), _language(soup)


def _title(soup: BeautifulSoup) -> str:
    element = soup.title or soup.find("h1")
    return _line(element.get_text(" ")) if element else ""


def _language(soup: BeautifulSoup) -> str:
    root = soup.find("html")
    declared = [str(root.get(name, "")).strip() for name in ("lang", "xml:lang")] if root else []
    return next(filter(_LANGUAGE.fullmatch, declared), "")


def _main_text(soup: BeautifulSoup) -> str:
    """Return the main text that trafilatura finds, else all visible text."""
    try:
        # Without comments of readers, and without metadata, which come from what nobody sees.
        found: Any = trafilatura.bare_extraction(str(soup), include_comments=False, config=_CONFIG)
    except Exception:  # a hostile page may trip a parser anywhere, and what is visible is still there
        found = None
    text = _paragraphs(_marked_text(found.body)) if found is not None else ""
    return text if len(text) >= MIN_CHARACTERS else max(_paragraphs(_all_text(soup)), text, key=len)


def _marked_text(body: Any) -> str:
    """Return the text of trafilatura's XML, with marks for the ends of paragraphs and lines."""
    pieces: list[str] = []

    def add(element: Any, inside: str) -> None:
        separator = _SEPARATORS.get(element.tag, "")
        if element.tag == "code" and inside == "body":
            separator = _BLOCK
        elif element.tag == "cell":
            separator = " | " if element.getprevious() is not None and "".join(element.itertext()).strip() else ""
        elif separator and inside in {"item", "cell"}:
            separator = _LINE if inside == "item" else " "
        inner = element.tag if element.tag in {"body", "item", "cell"} or inside == "body" else inside
        keep_lines = element.tag == "code"
        pieces.extend((separator, _text(element.text, keep_lines)))
        for child in element:
            add(child, inner)
            pieces.append(_text(child.tail, keep_lines))
        if element.tag != "cell":
            pieces.append(separator)

    add(body, "")
    return "".join(pieces)


def _text(text: str | None, keep_lines: bool) -> str:
    return (text or "").replace("\n", _LINE if keep_lines else " ")


def _all_text(soup: BeautifulSoup) -> str:
    """Return all visible text, without what surrounds the text on most sites."""
    pieces: list[str] = []
    open_elements = [(iter(soup.contents), "", False)]
    while open_elements:  # no recursion: a page may nest without end
        children, separator, keep = open_elements[-1]
        node = next(children, None)
        if node is None:
            pieces.append(separator)
            open_elements.pop()
        elif not isinstance(node, Tag):
            pieces.append(_text(str(node), keep))
        elif node.name not in _BOILERPLATE and node.get("role") not in _BOILERPLATE_ROLES:
            separator = _HTML_SEPARATORS.get(node.name, "")
            pieces.append(separator)
            open_elements.append((iter(node.contents), separator, keep or node.name == "pre"))
    return "".join(pieces)


def _paragraphs(marked: str) -> str:
    blocks = ("\n".join(filter(None, map(_line, block.split(_LINE)))) for block in marked.split(_BLOCK))
    return "\n\n".join(filter(None, blocks))


def _line(text: str) -> str:
    return " ".join(remove_invisible_characters(text).split())
