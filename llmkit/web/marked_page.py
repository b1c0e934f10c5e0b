"""A page for trafilatura, with a mark in every block, and with paragraphs where it would not see text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PageElement

from llmkit.text.words import words
from llmkit.web.blocks import Block
from llmkit.web.elements import CONTAINERS, attribute, is_block, is_preformatted, is_within

_FIRST, _BASE = 0x1D800, 512
"""The digits of marks: signs (SignWriting) that no heuristic takes for letters, and few pages have."""
_DIGIT = re.compile(f"[{chr(_FIRST)}-{chr(_FIRST + _BASE - 1)}]")
_INLINE = ("label", "math", "output", "q", "rt")
_CONTAINERS = ("center", "fieldset", "figcaption", "figure", "legend")
"""Elements that trafilatura drops, whatever is in them."""
_CUSTOM = re.compile("-")
_PARAGRAPHS = ["p", "blockquote", "dl", "ol", "pre", "table", "ul", "h1", "h2", "h3", "h4", "h5", "h6"]
_URL = re.compile(r"\S+://\S+")
_MAX_LINKS = 0.3
"""The share of links from which on text is a reference to other pages."""
_SENTENCE, _SENTENCE_END = 8, re.compile(r"[.!?…:;。！？।؟][\"'”’»)\]]*$")


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


def mark_blocks(soup: BeautifulSoup, blocks: Sequence[Block], marks: Marks) -> None:
    """Mark the blocks of a page, and make paragraphs of those that trafilatura would not see. Changes the page."""
    clean = {}
    for node in soup.find_all(string=_DIGIT):
        clean[id(node)] = NavigableString(_DIGIT.sub("", node))
        node.replace_with(clean[id(node)])
    for number, block in enumerate(blocks):
        nodes = [clean.get(id(node), node) for node in block.nodes]
        if block.parent.name == "tr":
            _flatten(block.parent.find_all(["td", "th"], recursive=False), marks.mark(number))
        elif is_preformatted(block.parent):
            _flatten([block.parent], marks.mark(number))
            block.parent.name = "pre"
        elif nodes:
            longest = max(nodes, key=len)
            position = nodes.index(longest)
            nodes[position] = NavigableString(marks.mark(number) + longest)
            longest.replace_with(nodes[position])
            if (block.parent.name in CONTAINERS or "-" in block.parent.name) and _reads_as_text(block, nodes):
                _wrap(nodes, block.parent)
    _rename(soup)


def _flatten(elements: Sequence[Tag], mark: str) -> None:
    """Leave only the text of each element, and put the mark into the longest."""
    texts = [element.get_text(" ").strip() for element in elements]
    longest = max(range(len(texts)), key=lambda i: len(texts[i]))
    for position, (element, text) in enumerate(zip(elements, texts, strict=True)):
        element.clear()
        element.append(_DIGIT.sub("", text) if position != longest else mark + _DIGIT.sub("", text))


def _reads_as_text(block: Block, nodes: Sequence[NavigableString]) -> bool:
    """Tell whether text that stands right in a container is a sentence beside a paragraph, or between two."""
    links = sum(len(node.strip()) for node in nodes if is_within(node, {"a"}))
    if links >= _MAX_LINKS * len(block.text) or _URL.fullmatch(block.text):
        return False
    length = sum(word.size for word in words(block.text))
    is_sentence = _SENTENCE_END.search(block.text) is not None or length >= _SENTENCE
    place = block.parent
    if place.find(_PARAGRAPHS):
        return is_sentence
    while not (beside := _elements_beside(place)) and place.parent is not None and place.parent.name in CONTAINERS:
        place = place.parent
    paragraphs = [_is_text(tag) for tag in beside]
    return any(paragraphs) if is_sentence else sum(paragraphs) == 2 and length > 1


def _elements_beside(tag: Tag) -> list[Tag]:
    """Return the elements right before and after one, without its picture."""
    beside = (tag.find_previous_sibling(_shows_text), tag.find_next_sibling(_shows_text))
    return [element for element in beside if element]


def _is_text(tag: Tag) -> bool:
    """Tell whether an element is a paragraph, or has one."""
    return tag.name in _PARAGRAPHS or "-" in tag.name or tag.find(_PARAGRAPHS) is not None


def _shows_text(tag: Tag) -> bool:
    return bool(tag.get_text(strip=True))


def _wrap(nodes: Sequence[NavigableString], parent: Tag) -> None:
    """Make a paragraph of text that stands right in an element that holds blocks."""
    first, last = (_child_of(parent, node) for node in (nodes[0], nodes[-1]))
    if first is None or last is None:
        return
    children = [first]
    while children[-1] is not last:
        following = children[-1].next_sibling
        if following is None:
            return
        children.append(following)
    if any(isinstance(child, Tag) and child.find(is_block) for child in children):
        return
    for tag in (parent, *islice(parent.parents, 2)):
        if "caption" in attribute(tag, "class") + attribute(tag, "id"):  # trafilatura drops what is called so
            del tag["class"], tag["id"]
    paragraph = Tag(name="p")
    first.insert_before(paragraph)
    for child in children:
        paragraph.append(child.extract())


def _child_of(parent: Tag, node: PageElement) -> PageElement | None:
    """Return the child of an element that holds a node."""
    while node.parent is not None and node.parent is not parent:
        node = node.parent
    return node if node.parent is parent else None


def _rename(soup: BeautifulSoup) -> None:
    for quotation in soup.find_all("blockquote"):
        for footer in quotation.find_all("footer"):
            footer.name = "div"
    for tag in soup.find_all([*_INLINE, *_CONTAINERS, _CUSTOM]):
        if tag.name == "math":
            for child in tag.find_all(True):
                child.name = "span"
        tag.name = "div" if tag.name in _CONTAINERS or ("-" in tag.name and is_block(tag)) else "span"
