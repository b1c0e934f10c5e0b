"""Tables, at any width."""

from __future__ import annotations

from itertools import zip_longest

from markdown_it.tree import SyntaxTreeNode
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from llmkit.cli.chat.screen.characters import Symbols
from llmkit.cli.chat.screen.markdown.inline import inline

_NARROWEST = 6  # cells; narrower columns are harder to read than a list


def cell(node: SyntaxTreeNode) -> Text:
    """Give a cell's text, aligned as the table has it."""
    text = inline(node)
    text.justify = "right" if "right" in str(node.attrs.get("style")) else "left"
    return text


def rows(cells: list[list[Text]], width: int, console: Console, symbols: Symbols) -> list[Text]:
    """Lay a table out, its first row the head; where the columns have no room, a list of its rows."""
    gap = f" {symbols.bar} "
    wanted = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    widths = _shared(wanted, width - cell_len(gap) * (len(wanted) - 1))
    if widths is None:
        return _listed(cells, width, console)
    laid = [_row(row, widths, console, gap) for row in cells]
    for row in laid[0]:
        row.stylize("bold")
    joint = f"{symbols.line}{symbols.bar if symbols.line == '-' else '┼'}{symbols.line}"
    ruler = Text(joint.join(symbols.line * cells for cells in widths), "dim")
    return [*laid[0], ruler, *(line for row in laid[1:] for line in row)]


def _shared(wanted: list[int], room: int) -> list[int] | None:
    """Give each column its width; the widest give way first."""
    most = max(wanted)
    while sum(min(cells, most) for cells in wanted) > room:
        most -= 1
        if most < _NARROWEST:
            return None
    return [min(cells, most) for cells in wanted]


def _row(row: list[Text], widths: list[int], console: Console, gap: str) -> list[Text]:
    columns = [cell.wrap(console, cells, overflow="fold", tab_size=4) for cell, cells in zip(row, widths, strict=True)]
    lines = []
    for parts in zip_longest(*columns, fillvalue=Text()):
        line = Text()
        for number, (part, cells) in enumerate(zip(parts, widths, strict=True)):
            part.rstrip()
            free = " " * (cells - part.cell_len)
            right = row[number].justify == "right"
            line.append_text(
                Text.assemble((gap if number else "", "dim"), free if right else "", part, free if not right else "")
            )
        line.rstrip()
        lines.append(line)
    return lines


def _listed(cells: list[list[Text]], width: int, console: Console) -> list[Text]:
    head, *body = cells
    lines: list[Text] = []
    for row in body or [[Text("")] * len(head)]:
        for name, cell in zip(head, row, strict=True):
            line = Text.assemble((name.plain, "bold"), ": ", cell)
            lines += line.wrap(console, width, overflow="fold", tab_size=4)
        lines.append(Text())
    return lines[:-1]
