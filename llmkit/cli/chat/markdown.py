"""Markdown at a terminal, by rich: no letter or digit that the model wrote is left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from rich.cells import chop_cells
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, ListItem, Markdown
from rich.segment import Segment
from rich.syntax import Syntax
from rich.text import Text
from rich.theme import Theme

THEME = Theme(  # the terminal's own colours, light or dark
    {"markdown.code": "bold cyan", "markdown.block_quote": "none", "markdown.h1": "bold underline"}
)
_CODE_THEME = "ansi_dark"
_ESCAPED = frozenset("*_`~#>|+-.")  # a backslash before others is more often LaTeX: `\\[`, `\\{`
_ASCII = str.maketrans("•▌─━│", "-|--|")


def split_blocks(source: str) -> list[str]:
    """Split a text into its top-level blocks: a paragraph, a list, a table, a code block.

    Whatever is written after the last complete line, all blocks but the last stay as they are: the structure of
    Markdown is settled line by line, and rules that look further ahead (link definitions) are off.
    """
    lines, tokens = re.findall(r"[^\n]*\n|[^\n]+", source), _parser().parse(source)
    starts = [token.map[0] for token in tokens if token.level == 0 and token.map and token.nesting >= 0]
    bounds = [0, *starts[1:], len(lines)] if starts else []
    return ["".join(lines[start:end]) for start, end in pairwise(bounds)]


def render(block: str, console: Console, *, ascii_only: bool = False) -> list[list[Segment]]:
    """Lay a block out in rows of the console's width; as it was written where the layout would lose something."""
    options = console.options
    try:
        rows = console.render_lines(_Markdown(block), options, pad=False)
    except ValueError:  # no columns are left for what is nested so deep
        rows = []
    if _is_lossy(block, rows, options.max_width):
        rows = console.render_lines(Text(block.strip("\n"), overflow="fold"), options, pad=False)
    rows = [_strip_end(row, ascii_only) for row in rows]
    while rows and not rows[-1]:
        rows.pop()
    while rows and not rows[0]:
        rows.pop(0)
    return rows


def _is_lossy(block: str, rows: list[list[Segment]], width: int) -> bool:
    written = Counter(char for char in block if char.isalnum())
    shown = Counter(char for row in rows for segment in row for char in segment.text)
    return bool(written - shown) or any(Segment.get_line_length(row) > width for row in rows)


def _strip_end(row: list[Segment], ascii_only: bool) -> list[Segment]:
    row = [Segment(segment.text.translate(_ASCII), segment.style) if ascii_only else segment for segment in row]
    while row and not row[-1].text.strip(" "):
        row.pop()
    return [*row[:-1], Segment(row[-1].text.rstrip(" "), row[-1].style)] if row else row


@cache
def _parser() -> MarkdownIt:
    """Markdown without what would hide text: HTML, entities, link definitions, images."""
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.disable(["html_block", "html_inline", "entity", "reference", "image", "autolink"])
    parser.inline.ruler.at("escape", _escape)
    parser.normalizeLink = parser.normalizeLinkText = str  # type: ignore[method-assign, assignment]
    parser.validateLink = bool  # type: ignore[method-assign, assignment]
    return parser


def _escape(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "\\" or state.src[state.pos + 1 : state.pos + 2] not in _ESCAPED:
        return False
    if not silent:
        state.pending += state.src[state.pos + 1]
    state.pos += 2
    return True


class _Fence(CodeBlock):
    """Code with its fences, so that what is copied is what was written; broken at the width, not between words."""

    fence, info = "", ""

    @classmethod
    def create(cls, markdown: Markdown, token: Token) -> _Fence:
        element = cls(token.info.split(maxsplit=1)[0] if token.info.strip() else "text", _CODE_THEME)
        element.fence, element.info = token.markup, token.info
        return element

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        written = self.text.plain.removesuffix("\n")
        code = Syntax("", self.lexer_name, theme=self.theme, background_color="default").highlight(written)
        code = code[: len(written)] if code.plain.startswith(written) else Text(written)
        if self.fence:
            yield from _fold(Text(f"{self.fence}{self.info}", "dim"), options.max_width)
        for line in code.split("\n", allow_blank=True):
            yield from _fold(line if self.fence else Text("    ") + line, options.max_width)
        if self.fence:
            yield Text(self.fence, "dim")


def _fold(line: Text, width: int) -> Iterable[Text]:
    line.expand_tabs(4)
    parts = [len(part) for part in chop_cells(line.plain, max(width, 1))]
    return line.divide([sum(parts[:count]) for count in range(1, len(parts))])


class _Heading(Heading):
    LEVEL_ALIGN = dict.fromkeys(Heading.LEVEL_ALIGN, "left")


class _Item(ListItem):
    """An item whose number has its dot."""

    def render_number(self, console: Console, options: ConsoleOptions, number: int, last_number: int) -> RenderResult:
        marker = f" {number}. ".rjust(len(str(last_number - 1)) + 3)
        rows = console.render_lines(self.elements, options.update(width=options.max_width - len(marker)))
        for index, row in enumerate(rows):
            yield Segment(" " * len(marker) if index else marker, console.get_style("markdown.item.number"))
            yield from row
            yield Segment.line()


class _Markdown(Markdown):
    elements = Markdown.elements | dict(fence=_Fence, code_block=_Fence, heading_open=_Heading, list_item_open=_Item)

    def __init__(self, source: str) -> None:
        super().__init__("", code_theme=_CODE_THEME, hyperlinks=False)
        self.parsed = _parser().parse(source)
        for token in self.parsed:
            for child in token.children or ():
                if child.type == "softbreak":  # lines stay as they were written
                    child.type = "hardbreak"
