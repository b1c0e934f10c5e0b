"""Which blocks of a page are its main text: what trafilatura keeps, and what belongs to it.

trafilatura decides by structure, names and lengths. It does not keep the text as it stands: it drops white space of
code, lists in cells, superscripts, repeated lines. So each block gets a mark, by which one sees whether it is kept, and
the text is written from the page itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import islice
from typing import Any

import trafilatura
from bs4 import BeautifulSoup, Tag
from trafilatura.settings import use_config

from llmkit.quiet import silence_loggers
from llmkit.web.blocks import Block
from llmkit.web.elements import CONTAINERS, attribute
from llmkit.web.marked_page import Marks, marked_html

_MAIN_SHARE = 0.3
"""The share of the main text from which on the elements around it are its usual ones."""
_MANY = 5_000
"""Blocks from which on trafilatura is not compared with readability and justext, which take quadratic time."""
_MAX_ELEMENTS = 15_000
"""Elements beyond which trafilatura is left out: it takes quadratic time for cells, minutes for 100,000 of them."""
_CONFIG = use_config()
_CONFIG.set("DEFAULT", "MIN_EXTRACTED_SIZE", "0")  # trafilatura's fallback makes one paragraph of a short page

silence_loggers("trafilatura", "justext")


def main_blocks(soup: BeautifulSoup, blocks: Sequence[Block]) -> set[int]:
    """Return the numbers of the blocks that are the main text; none where the page has very many elements."""
    if len(soup.find_all(True, limit=_MAX_ELEMENTS + 1)) > _MAX_ELEMENTS:
        return set()
    marks = Marks(blocks)
    try:
        # Without comments of readers, and without metadata, which come from what nobody sees.
        found: Any = trafilatura.bare_extraction(
            marked_html(soup, blocks, marks),
            include_comments=False,
            fast=len(blocks) > _MANY,
            config=_CONFIG,
        )
    except Exception:  # a hostile page may trip a parser anywhere, and what is visible is still there
        found = None
    kept = marks.found_in("".join(found.body.itertext())) if found is not None else set()
    return _complete(blocks, kept)


def _complete(blocks: Sequence[Block], kept: set[int]) -> set[int]:
    """Return the blocks that are kept, with those that belong to them.

    These are the other blocks of a list item, a quotation or a table, the heading right before a block, and, after the
    first block, paragraphs in the same place (by the classes of the elements around them): pages interrupt their text.
    """
    if not kept:
        return kept
    places = [_place(block) for block in blocks]
    lengths = Counter[Hashable]()
    for number in kept:
        lengths[places[number]] += len(blocks[number].text)
    main = {place for place, length in lengths.items() if place is not None and length >= _MAIN_SHARE * lengths.total()}
    wholes = {id(_whole(blocks[number])) for number in kept if blocks[number].parent.name not in CONTAINERS}
    first = min(kept)
    kept = kept | {
        number
        for number, block in enumerate(blocks)
        if id(_whole(block)) in wholes or (number > first and places[number] in main and not block.is_beside)
    }
    for number in range(len(blocks) - 2, -1, -1):
        heading, following = blocks[number], blocks[number + 1]
        if heading.is_heading and number + 1 in kept and _is_around(heading.parent.parent, following):
            kept.add(number)
    return kept


def _is_around(element: Tag | None, block: Block) -> bool:
    return any(parent is element for parent in block.parent.parents)


def _place(block: Block) -> Hashable:
    """Return the names and classes of the elements around a paragraph; none for what is no paragraph, or has none."""
    if block.parent.name != "p":
        return None
    around = [(tag.name, attribute(tag, "class")) for tag in islice(block.parent.parents, 2)]
    return tuple(around) if any(classes for _, classes in around) else None


def _whole(block: Block) -> Tag:
    """Return the element of which no part is left out."""
    parent = block.parent
    if parent.name == "tr":
        return parent.find_parent("table") or parent
    return parent
