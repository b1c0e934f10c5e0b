"""Text that stands right in a container, without a paragraph of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice

from bs4 import Tag
from bs4.element import NavigableString, PageElement

from llmkit.text.words import words
from llmkit.web.blocks import Block
from llmkit.web.elements import CONTAINERS, HEADINGS, is_block, is_within

# fmt: off
_PARAGRAPHS = frozenset(("p", "blockquote", "dl", "ol", "pre", "table", "ul", "h1", "h2", "h3", "h4", "h5", "h6"))
# fmt: on
_URL = re.compile(r"\S+://\S+")
_MEASURED = 2000  # characters: whether a text has a sentence's words is seen in them
_MAX_LINKS = 0.3
"""The share of links from which on text is a reference to other pages."""
_SENTENCE, _SENTENCE_END = 8, re.compile(r"[.!?…:;。！？।؟][\"'”’»)\]]*$")
_MAX_ROW_DEPTH = 3
"""Elements around a short text, its own among them, of which one stands under a heading."""
_NEAR = 50
"""Elements to look at for the next one with a text."""


class LooseText:
    """Finds loose text that reads as a paragraph: a sentence beside a paragraph, or text between two."""

    def __init__(self) -> None:
        self._has_paragraph: dict[int, bool] = {}
        self._is_sentence: dict[int, bool] = {}

    def span(self, block: Block) -> tuple[PageElement, PageElement] | None:
        """Return the first and the last of the nodes that a paragraph would hold, if a block is loose text."""
        parent = block.parent
        if not _is_container(parent) or not self._reads_as_text(block):
            return None
        first, last = (_child_of(parent, node) for node in (block.nodes[0], block.nodes[-1]))
        if first is None or last is None:
            return None
        child: PageElement | None = first
        while child is not None and not (isinstance(child, Tag) and _holds_block(child)):
            if child is last:
                return first, last
            child = child.next_sibling
        return None

    def _reads_as_text(self, block: Block) -> bool:
        links = sum(len(node.strip()) for node in block.nodes if is_within(node, {"a"}))
        if links >= _MAX_LINKS * len(block.text) or _URL.fullmatch(block.text):
            return False
        length = sum(word.size for word in words(block.text[:_MEASURED]))
        is_sentence = _SENTENCE_END.search(block.text) is not None or length >= _SENTENCE
        place = block.parent
        if self._holds_paragraph(place):
            return is_sentence
        if place.name in {"figcaption", "legend"} and place.parent is not None:
            place = place.parent
        while not (beside := _elements_beside(place)) and place.parent is not None and _is_container(place.parent):
            place = place.parent
        paragraphs = sum(map(self._is_paragraph, beside))
        if not is_sentence:
            return (length > 1 and paragraphs == 2) or (
                (length > 1 or bool(beside)) and self._stands_under_heading(place)
            )
        return paragraphs > 0 or sum(map(self._is_paragraph, _elements_beside(place, self._is_loose_sentence))) == 2

    def _stands_under_heading(self, place: Tag) -> bool:
        """Return whether an element is in the rows of short texts right under a heading: days and hours, a price."""
        for tag in islice((place, *place.parents), _MAX_ROW_DEPTH):
            if not _is_container(tag) or self._holds_paragraph(tag):
                return False
            for before in islice(tag.previous_siblings, _NEAR):
                if not isinstance(before, Tag):
                    if str(before).strip():
                        return False
                elif before.name in HEADINGS:
                    return True
                elif before.name != tag.name or before.get("class") != tag.get("class"):
                    break
        return False

    def _is_paragraph(self, tag: Tag) -> bool:
        return tag.name in _PARAGRAPHS or "-" in tag.name or self._holds_paragraph(tag)

    def _is_loose_sentence(self, tag: Tag) -> bool:
        """Whether an element is one of a row of loose texts, of which the first and the last stand at a paragraph."""
        if id(tag) not in self._is_sentence:
            is_loose = tag.name in CONTAINERS and not self._holds_paragraph(tag)
            self._is_sentence[id(tag)] = is_loose and _SENTENCE_END.search(tag.get_text().rstrip()) is not None
        return self._is_sentence[id(tag)]

    def _holds_paragraph(self, tag: Tag) -> bool:
        if id(tag) not in self._has_paragraph:
            # Without `find`, whose filter takes longer to make than most elements to look through.
            inside = (node for node in tag.descendants if isinstance(node, Tag))
            self._has_paragraph[id(tag)] = any(node.name in _PARAGRAPHS for node in inside)
        return self._has_paragraph[id(tag)]


def _is_container(tag: Tag) -> bool:
    return tag.name in CONTAINERS or "-" in tag.name


def _elements_beside(tag: Tag, passes: Callable[[Tag], bool] | None = None) -> list[Tag]:
    """Return the next elements before and after one that have a text, unlike a picture, and are not passed over."""
    found = []
    for siblings in (tag.previous_siblings, tag.next_siblings):
        near = (node for node in islice(siblings, _NEAR) if isinstance(node, Tag))
        with_text = (node for node in near if next(node.stripped_strings, "") and not (passes and passes(node)))
        found += list(islice(with_text, 1))
    return found


def _holds_block(tag: Tag) -> bool:
    return any(is_block(node) for node in tag.descendants if isinstance(node, Tag))


def _child_of(parent: Tag, node: NavigableString) -> PageElement | None:
    """Return the child of an element that holds a node."""
    child: PageElement = node
    while child.parent is not None and child.parent is not parent:
        child = child.parent
    return child if child.parent is parent else None
