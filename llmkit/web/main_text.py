"""The main text of a page, as paragraphs with a blank line between them."""

from __future__ import annotations

from typing import Any

import trafilatura
from bs4 import BeautifulSoup, Tag
from trafilatura.settings import use_config

from llmkit.quiet import silence_loggers
from llmkit.web.invisible_characters import clean

FEW = 250
"""Characters: a main text that is shorter is a heading, a caption or a notice, and all that is visible counts."""
_BLOCK, _LINE = "\x1e", "\x1f"
"""Marks for the ends of paragraphs and lines: white space in the source of a page means neither."""
_EDGES = {"p": _BLOCK, "head": _BLOCK, "quote": _BLOCK, "list": _BLOCK, "table": _BLOCK}
_EDGES |= {"item": _LINE, "row": _LINE, "lb": _LINE}
_AROUND = frozenset(("head", "nav", "footer", "aside", "form", "button"))
_ROLES_AROUND = frozenset(("navigation", "banner", "contentinfo", "search"))
_HTML_EDGES = dict.fromkeys(("br", "li", "tr", "dt", "dd"), _LINE) | dict.fromkeys(("td", "th"), " ")
# fmt: off
_HTML_EDGES |= dict.fromkeys((
    "address", "article", "blockquote", "body", "caption", "details", "div", "dl", "fieldset", "figcaption", "figure",
    "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "main", "ol", "p", "pre", "section", "summary", "table", "ul",
), _BLOCK)
# fmt: on

_CONFIG = use_config()
_CONFIG.set("DEFAULT", "MIN_EXTRACTED_SIZE", "0")  # its own way out makes one paragraph of a short page

silence_loggers("trafilatura", "justext")


def find(soup: BeautifulSoup) -> str:
    """Give the main text that trafilatura finds, or else all text; what nobody sees is already gone."""
    try:
        # Comments are other people's words. Metadata are not asked for: they come from what nobody sees.
        found: Any = trafilatura.bare_extraction(str(soup), include_comments=False, config=_CONFIG)
    except Exception:  # a hostile page may trip a parser anywhere, and what is visible is still there
        found = None
    text = _paragraphs(_written(found.body)) if found is not None else ""
    return text if len(text) >= FEW else max(_paragraphs(_all_text(soup)), text, key=len)


def _written(body: Any) -> str:
    pieces: list[str] = []

    def write(element: Any, inside: str) -> None:
        edge = _EDGES.get(element.tag, "")
        if element.tag == "code" and inside == "body":
            edge = _BLOCK
        elif element.tag == "cell":
            edge = " | " if element.getprevious() is not None and "".join(element.itertext()).strip() else ""
        elif edge and inside in {"item", "cell"}:
            edge = _LINE if inside == "item" else " "
        inner = element.tag if element.tag in {"body", "item", "cell"} or inside == "body" else inside
        keep = element.tag == "code"
        pieces.extend((edge, _text(element.text, keep)))
        for child in element:
            write(child, inner)
            pieces.append(_text(child.tail, keep))
        if element.tag != "cell":
            pieces.append(edge)

    write(body, "")
    return "".join(pieces)


def _text(text: str | None, keep_lines: bool) -> str:
    return (text or "").replace("\n", _LINE if keep_lines else " ")


def _all_text(soup: BeautifulSoup) -> str:
    """All that is visible in the body, less what stands around the text on most sites."""
    pieces: list[str] = []
    open_elements = [(iter(soup.contents), "", False)]
    while open_elements:  # no recursion: a page may nest without end
        children, edge, keep = open_elements[-1]
        node = next(children, None)
        if node is None:
            pieces.append(edge)
            open_elements.pop()
        elif not isinstance(node, Tag):
            pieces.append(_text(str(node), keep))
        elif node.name not in _AROUND and node.get("role") not in _ROLES_AROUND:
            edge = _HTML_EDGES.get(node.name, "")
            pieces.append(edge)
            open_elements.append((iter(node.contents), edge, keep or node.name == "pre"))
    return "".join(pieces)


def _paragraphs(marked: str) -> str:
    blocks = ("\n".join(filter(None, map(_line, block.split(_LINE)))) for block in marked.split(_BLOCK))
    return "\n\n".join(filter(None, blocks))


def _line(text: str) -> str:
    return " ".join(clean(text).split())
