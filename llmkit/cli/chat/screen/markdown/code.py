"""Code, highlighted, and as it was written."""

from __future__ import annotations

from markdown_it.tree import SyntaxTreeNode
from rich.cells import chop_cells
from rich.syntax import Syntax
from rich.text import Text

_THEME = "ansi_dark"  # the terminal's own sixteen colours
_TAB = 4


def fence(node: SyntaxTreeNode, width: int) -> list[list[Text]]:
    """Give the rows of each line, the fences among them, so that what is copied is what was written."""
    start, end = node.map or (0, 0)
    content = node.content.removesuffix("\n")
    lines = [*_highlighted(content, node.info).split("\n", allow_blank=True)] if node.content else []
    closed = end - start > len(lines) + 1
    fences = [Text(node.markup + node.info, "dim"), *([Text(node.markup, "dim")] if closed else [])]
    return [folded(line, width) for line in (fences[0], *lines, *fences[1:])]


def folded(text: Text, width: int) -> list[Text]:
    """Break lines where the width ends, and not between words: spaces count in code."""
    rows: list[Text] = []
    for line in text.split("\n", allow_blank=True):
        line.expand_tabs(_TAB)
        offsets, offset = [], 0
        for part in chop_cells(line.plain, width)[:-1]:
            offset += len(part)
            offsets.append(offset)
        rows += line.divide(offsets)
    return rows


def _highlighted(code: str, info: str) -> Text:
    language = info.split(maxsplit=1)[0] if info.strip() else "text"
    syntax = Syntax("", language, theme=_THEME, background_color="default", tab_size=_TAB)
    shown = code.expandtabs(_TAB)
    text = syntax.highlight(code)[: len(shown)]
    return text if text.plain == shown else Text(code)
