"""A page for trafilatura, with a mark in every block, and with paragraphs where it would not see text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from itertools import islice

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PageElement

from llmkit.web.blocks import Block
from llmkit.web.elements import attribute, is_block, is_preformatted, is_within
from llmkit.web.loose_text import LooseText

_FIRST, _BASE = 0x1D800, 512
"""The digits of marks: signs (SignWriting) that no heuristic takes for letters, and few pages have."""
_DIGIT = re.compile(f"[{chr(_FIRST)}-{chr(_FIRST + _BASE - 1)}]")
_INLINE = frozenset(("label", "math", "output", "q", "rt"))
_CONTAINERS = frozenset(("center", "fieldset", "figcaption", "figure", "legend"))
"""Elements that trafilatura drops, whatever is in them: within a line, and blocks."""
_VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"))


class Marks:
    """The numbers of blocks, as characters in their texts."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._width = 1
        while _BASE**self._width < len(blocks):
            self._width += 1

    def mark(self, number: int) -> str:
        """Return the mark of a block."""
        digits = (number // _BASE**place % _BASE for place in range(self._width))
        return "".join(chr(_FIRST + digit) for digit in digits)

    def found_in(self, text: str) -> set[int]:
        """Return the numbers of the blocks whose marks are in a text."""
        digits = [ord(digit) - _FIRST for digit in _DIGIT.findall(text)]
        places = range(0, len(digits) - self._width + 1, self._width)
        return {sum(digits[at + place] * _BASE**place for place in range(self._width)) for at in places}


def marked_html(soup: BeautifulSoup, blocks: Sequence[Block], marks: Marks) -> str:
    """Write a page with the marks of its blocks."""
    page = _MarkedPage()
    for number, block in enumerate(blocks):
        page.add(block, marks.mark(number))
    return page.write(soup)


class _MarkedPage:
    """What is written otherwise than it is on the page; by the identity of its elements and texts."""

    def __init__(self) -> None:
        self._loose = LooseText()
        self._marks: dict[int, str] = {}
        self._flat: dict[int, str] = {}  # elements of which only the text is written
        self._begin: set[int] = set()
        self._end: set[int] = set()
        self._nameless: set[int] = set()

    def add(self, block: Block, mark: str) -> None:
        """Mark a block, in the longest of its texts, which is the least likely to be dropped."""
        if block.parent.name == "tr":
            self._flatten(block.parent.find_all(["td", "th"], recursive=False), mark)
        elif is_preformatted(block.parent):
            self._flatten([block.parent], mark)
        elif block.nodes:
            self._marks[id(max(block.nodes, key=len))] = mark
            if span := self._loose.span(block):
                self._begin.add(id(span[0]))
                self._end.add(id(span[1]))
                around = (block.parent, *islice(block.parent.parents, 2))
                self._nameless |= {
                    id(tag) for tag in around if "caption" in attribute(tag, "class") + attribute(tag, "id")
                }

    def _flatten(self, elements: Sequence[Tag], mark: str) -> None:
        texts = [element.get_text(" ").strip() for element in elements]
        longest = max(range(len(texts)), key=lambda at: len(texts[at]))
        for at, (element, text) in enumerate(zip(elements, texts, strict=True)):
            self._flat[id(element)] = (mark if at == longest else "") + _text(text)

    def write(self, soup: BeautifulSoup) -> str:
        """Write the page."""
        pieces: list[str] = []
        open_elements: list[tuple[list[PageElement], str]] = [(soup.contents[::-1], "")]
        while open_elements:  # no recursion: a page may nest without end
            children, end = open_elements[-1]
            if not children:
                pieces.append(end)
                open_elements.pop()
                continue
            node = children.pop()
            pieces.append("<p>" if id(node) in self._begin else "")
            after = "</p>" if id(node) in self._end else ""
            if not isinstance(node, Tag):
                pieces += [
                    self._marks.get(id(node), ""),
                    _text(str(node)) if isinstance(node, NavigableString) else "",
                    after,
                ]
            elif id(node) in self._flat or node.name in _VOID:
                pieces += [self._start(node), self._flat.get(id(node), ""), _end(node), after]
            else:
                pieces.append(self._start(node))
                open_elements.append((node.contents[::-1], _end(node) + after))
        return "".join(pieces)

    def _start(self, tag: Tag) -> str:
        # It would make empty cells of spans, which takes time, and take what has `overflow: hidden` for hidden.
        dropped = {"colspan", "rowspan", "style", "aria-hidden"}
        if id(tag) in self._nameless:
            dropped |= {"class", "id"}  # it drops what is called a caption
        names = [name for name in tag.attrs if name not in dropped and name.replace("-", "").isalnum()]
        attributes = [f' {name}="{escape(attribute(tag, name))}"' for name in names]
        return f"<{_name(tag)}{''.join(attributes)}>"


def _text(text: str) -> str:
    return escape(_DIGIT.sub("", text), quote=False)


def _end(tag: Tag) -> str:
    return "" if tag.name in _VOID else f"</{_name(tag)}>"


def _name(tag: Tag) -> str:
    """Return a name under which trafilatura keeps the element, if it is text."""
    if is_preformatted(tag):
        return "pre"
    if tag.name in _INLINE or (tag.name[:1] == "m" and is_within(tag, {"math"})):
        return "span"
    is_quoted = tag.name == "footer" and is_within(tag, {"blockquote"})
    if tag.name in _CONTAINERS or is_quoted or ("-" in tag.name and is_block(tag)):
        return "div"
    return "span" if "-" in tag.name else tag.name
