"""A page as a list of blocks of text: paragraphs, headings, list items, rows of tables, code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString

from llmkit.web.elements import HEADINGS, LIST_ITEMS, is_beside_text, is_block, is_preformatted, is_within
from llmkit.web.inline import BASE, InlineText, is_drawn_formula, text_after
from llmkit.web.superscripts import subscript, superscript
from llmkit.web.tables import is_data_table, read_rows
from llmkit.web.visible import remove_invisible_characters

_FORMULAS = frozenset(("math", "mfrac", "mrow", "mstyle", "msub", "msubsup", "msup", "semantics"))
_WHITE_SPACE = re.compile(r"[ \t\n\r\f]+")


class Break(IntEnum):
    """What stands between two blocks."""

    LINE = 1
    PARAGRAPH = 2

    @property
    def text(self) -> str:
        """The line ends."""
        return "\n" * self


@dataclass(eq=False)
class Block:
    """A block of text.

    Attributes:
        text: as a person reads it.
        before: what stands before it.
        parent: the element whose block it is.
        nodes: the text nodes that it was made of.
        is_heading: whether it is the heading of what follows.
        is_beside: whether it stands in what is beside the text on most sites.
    """

    text: str
    before: Break
    parent: Tag
    nodes: list[NavigableString] = field(default_factory=list)
    is_heading: bool = False
    is_beside: bool = False


def read_blocks(
    soup: BeautifulSoup | Tag, language: str = "", check_time: Callable[[], None] = lambda: None
) -> list[Block]:
    """Return the blocks of a page, or of an element; `check_time` is called often, and may raise an error."""
    reader = _Reader(language, check_time)
    open_elements = [(iter(soup.contents), soup)] if reader.enter(soup) else []
    while open_elements:  # no recursion: a page may nest without end
        children, element = open_elements[-1]
        node = next(children, None)
        if node is None:
            open_elements.pop()
            reader.leave(element)
        elif isinstance(node, Tag):
            if reader.enter(node):
                open_elements.append((iter(node.contents), node))
        elif isinstance(node, NavigableString):
            reader.add(node)
    return reader.blocks


def join(blocks: Iterable[tuple[Block, bool]]) -> str:
    """Write the blocks that are marked; between two of them stands the widest break of those that are left out."""
    pieces: list[str] = []
    before = Break.LINE
    for block, is_kept in blocks:
        before = max(before, block.before)
        if is_kept:
            pieces += [before.text if pieces else "", block.text]
            before = Break.LINE
    return "".join(pieces).rstrip()


class _Reader:
    """Makes blocks of the elements and texts of a page, in their order."""

    def __init__(self, language: str, check_time: Callable[[], None]) -> None:
        self.blocks: list[Block] = []
        self._language, self._check_time = language, check_time
        self._inline = InlineText(language)
        self._nodes: list[NavigableString] = []
        self._parents: list[Tag] = []
        self._before = Break.PARAGRAPH
        self._items = self._beside = 0

    def enter(self, tag: Tag) -> bool:
        """Begin an element; false if its contents are not to be entered."""
        if not is_block(tag):
            if is_drawn_formula(tag):
                return False
            self._inline.begin(tag)
            return tag.name != "br" and (tag.name != "div" or not tag.get_text().isspace())
        self._check_time()
        self._end_block(tag)
        self._beside += is_beside_text(tag)
        if is_preformatted(tag):
            self._add_blocks([Block(preformatted_text(tag), Break.LINE, tag, list(_texts(tag)))], tag)
        elif tag.name == "table" and is_data_table(tag):
            self._add_blocks(self._rows(tag), tag)
        else:
            self._parents.append(tag)
            self._items += tag.name in LIST_ITEMS
            return True
        self._beside -= is_beside_text(tag)
        return False

    def leave(self, tag: Tag) -> None:
        """End an element that was entered."""
        if not is_block(tag):
            self._inline.end(tag)
            return
        self._end_block(tag)
        self._parents.pop()
        self._items -= tag.name in LIST_ITEMS
        self._beside -= is_beside_text(tag)

    def add(self, node: NavigableString) -> None:
        """Add a text."""
        if node.isspace() and node.parent is not None and node.parent.name in _FORMULAS:
            return  # it is the layout of the source
        if self._inline.add(_WHITE_SPACE.sub(" ", node)):
            self._nodes.append(node)

    def _end_block(self, tag: Tag) -> None:
        """End the text so far, before an element begins or ends."""
        if text := self._inline.take():
            parent = self._parents[-1]
            block = Block(text, self._before, parent, self._nodes, parent.name in HEADINGS, self._beside > 0)
            self.blocks.append(block)
            self._before = Break.LINE
        self._nodes = []
        self._before = max(self._before, self._break_at(tag))

    def _break_at(self, tag: Tag) -> Break:
        return Break.LINE if self._items or tag.name in LIST_ITEMS else Break.PARAGRAPH

    def _rows(self, table: Tag) -> list[Block]:
        captions = [block for caption in table.find_all("caption", recursive=False) for block in self._read(caption)]
        rows = read_rows(table, lambda cell: " ".join(block.text for block in self._read(cell)))
        blocks = [Block(row.text, Break.LINE, row.element, list(_texts(*row.cells))) for row in rows]
        if captions and blocks:
            blocks[0].before = Break.PARAGRAPH
        return captions + blocks

    def _read(self, tag: Tag) -> list[Block]:
        return read_blocks(tag, self._language, self._check_time)

    def _add_blocks(self, blocks: list[Block], tag: Tag) -> None:
        for block in blocks:
            if not block.text:
                continue
            block.before, block.is_beside = max(block.before, self._before), self._beside > 0
            self._before = Break.LINE
            self.blocks.append(block)
        self._before = self._break_at(tag)


def _texts(*tags: Tag) -> Iterator[NavigableString]:
    for tag in tags:
        yield from (node for node in tag.descendants if isinstance(node, NavigableString) and node.strip())


def preformatted_text(tag: Tag) -> str:
    """Return the text of code and the like as it stands, without empty lines around it."""
    pieces: list[str] = []
    written: set[int] = set()
    for node in tag.descendants:
        if isinstance(node, NavigableString):
            pieces.append("" if id(node) in written else str(node))
        elif isinstance(node, Tag) and node.name in {"sup", "sub"} and not is_within(node, {"sup", "sub"}):
            write = superscript if node.name == "sup" else subscript
            pieces.append(write("".join(pieces[-BASE:])[-BASE:], node.get_text(), text_after(node)))
            written |= set(map(id, node.descendants))
        elif isinstance(node, Tag) and (node.name == "br" or (_begins_line(node) and not _at_line_start(pieces))):
            pieces.append("\n")
    text = remove_invisible_characters("".join(pieces).replace("\r\n", "\n").replace("\xa0", " "))
    return re.sub(r"\A(?:[ \t]*\n)+", "", text).rstrip()


def _at_line_start(pieces: list[str]) -> bool:
    return not pieces or pieces[-1].endswith("\n")


def _begins_line(tag: Tag) -> bool:
    return is_block(tag) and tag.name not in {"td", "th", "table", "tbody"}
