"""Markdown, cut into blocks that no later line can change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.tree import SyntaxTreeNode

_ESCAPED = "*_`~#>|+-."
"""What a backslash hides itself before; before others it is more often LaTeX: `\\[`, `\\{`, `\\\\`."""


@dataclass(frozen=True)
class Block:
    """A paragraph, a heading, a table, a piece of code, an item of a list.

    Attributes:
        source: as it was written, with the empty lines before it.
        node: what it is.
        gap: an empty line stands before it.
    """

    source: str
    node: SyntaxTreeNode
    gap: bool


def blocks(source: str) -> list[Block]:
    """Cut a text; what the blocks were made of, joined, is the text but for empty lines at its end.

    All but the last stay as they are whatever is written after the last complete line: Markdown's structure is
    settled line by line, and the rules that look further (references) are off.
    """
    lines = source.splitlines(keepends=True)
    found: list[Block] = []
    end = 0
    for node in _pieces(SyntaxTreeNode(_parser().parse(source))):
        first, after = node.map or (end, end)
        while after > first and not lines[after - 1].strip():
            after -= 1
        gap = first > end and not lines[first - 1].strip()
        found.append(Block("".join(lines[end:after]), node, gap))
        end = after
    return found


def _pieces(root: SyntaxTreeNode) -> Iterator[SyntaxTreeNode]:
    """Give the blocks; a list item by item, as a long list should not wait for its end."""
    for node in root.children:
        if node.type in ("bullet_list", "ordered_list"):
            yield from node.children
        else:
            yield node


@cache
def _parser() -> MarkdownIt:
    """Markdown less what would hide text: HTML, entities, link definitions; links stay as they were written."""
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.disable(["html_block", "html_inline", "entity", "reference"])
    parser.inline.ruler.at("escape", _escape)
    parser.normalizeLink = parser.normalizeLinkText = str  # type: ignore[method-assign, assignment]
    parser.validateLink = bool  # type: ignore[method-assign, assignment]
    return parser


def _escape(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "\\" or state.src[state.pos + 1 : state.pos + 2] not in set(_ESCAPED):
        return False
    if not silent:
        state.pending += state.src[state.pos + 1]
    state.pos += 2
    return True
