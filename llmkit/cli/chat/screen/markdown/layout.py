"""Blocks of Markdown as rows of a terminal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from markdown_it.tree import SyntaxTreeNode
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from llmkit.cli.chat.screen.characters import Symbols
from llmkit.cli.chat.screen.markdown import code, table
from llmkit.cli.chat.screen.markdown.blocks import Block
from llmkit.cli.chat.screen.markdown.inline import inline

_NARROWEST = 8  # cells; a list in a list in a list is set in no further
_HEADINGS = {"h1": "bold underline", "h2": "bold"}


@dataclass(frozen=True)
class Page:
    """Where blocks are laid out; every row is at most `width` cells, unless one character alone is wider."""

    console: Console
    symbols: Symbols
    width: int

    def groups(self, block: Block) -> list[list[Text]]:
        """Give a block's rows; of code a group for each line as written, for all but the last are settled."""
        node = block.node
        if node.type == "fence":
            groups = code.fence(node, self.width)
        else:
            groups = [self._rows(node)]
            if _lost(block.source, groups[0]):
                groups = [self.plain(block.source.strip("\n"))]
        if block.gap:
            groups[0] = [Text(), *groups[0]]
        return groups

    def plain(self, source: str) -> list[Text]:
        """Give a text as it was written."""
        return self._wrapped(Text(source))

    def as_it_stands(self, text: str, *, table: bool) -> list[Text]:
        """Give a text whose words are never cut: where the terminal itself breaks an address, it is copied in whole.

        Of a table each line is one row, as far as there is room for it.
        """
        rows: list[Text] = []
        for line in Text(text).split("\n", allow_blank=True):
            if table:
                line.truncate(self.width, overflow="crop")
            long = any(cell_len(word) > self.width for word in line.plain.split())
            rows += [line] if table or long else self._wrapped(line)
        return rows

    def _rows(self, node: SyntaxTreeNode) -> list[Text]:
        match node.type:
            case "heading":
                return self._wrapped(inline(node, _HEADINGS.get(node.tag, "bold italic")))
            case "fence":
                return [row for group in code.fence(node, self.width) for row in group]
            case "code_block":
                return self._inside(code.folded(Text(node.content.rstrip("\n"), "cyan"), self._within(4)), "    ")
            case "list_item":
                return self._item(node)
            case "blockquote":
                return self._inside(self._narrowed(2)._stacked(node), f"{self.symbols.bar} ", repeated=True)
            case "table":
                cells = [[table.cell(cell) for cell in row.children] for part in node.children for row in part.children]
                return table.rows(cells, self.width, self.console, self.symbols)
            case "hr":
                return [Text(self.symbols.line * self.width, "dim")]
            case "bullet_list" | "ordered_list":
                return self._stacked(node)
            case _:
                return self._wrapped(inline(node))

    def _item(self, node: SyntaxTreeNode) -> list[Text]:
        number = f"{node.info}{node.markup}" if node.info else self.symbols.bullet
        marker = f" {number} "
        return self._inside(self._narrowed(cell_len(marker))._stacked(node) or [Text()], marker)

    def _stacked(self, node: SyntaxTreeNode) -> list[Text]:
        """Give what stands in a node, one under the other, with the empty lines that were written."""
        rows: list[Text] = []
        end = None
        for child in node.children:
            first, after = child.map or (0, 0)
            rows += [Text()] if end is not None and first > end else []
            rows += self._rows(child)
            end = after
        return rows

    def _within(self, indent: int) -> int:
        return self.width - indent if self.width - indent >= _NARROWEST else self.width

    def _narrowed(self, indent: int) -> Page:
        return Page(self.console, self.symbols, self._within(indent))

    def _inside(self, rows: list[Text], mark: str, *, repeated: bool = False) -> list[Text]:
        """Set rows in behind a mark; where there is no room for that, the mark stands above them."""
        if self._within(cell_len(mark)) == self.width:
            return [Text(mark.strip(), "dim"), *rows] if mark.strip() else rows
        other = mark if repeated else " " * cell_len(mark)
        return [Text.assemble((other if number else mark, "dim"), row) for number, row in enumerate(rows)]

    def _wrapped(self, text: Text) -> list[Text]:
        lines = text.split("\n", allow_blank=True)
        return [row for line in lines for row in line.wrap(self.console, self.width, overflow="fold", tab_size=4)]


def _lost(source: str, rows: list[Text]) -> Counter[str]:
    """Give the letters and digits that a layout left out: Markdown nested deeper than the parser goes, say."""
    written = Counter(char for char in source if char.isalnum())
    return written - Counter(char for row in rows for char in row.plain)
