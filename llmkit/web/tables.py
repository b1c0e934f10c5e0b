"""Tables of data as lines of cells, in which each value keeps its column."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bs4 import BeautifulSoup, Tag

from llmkit.web.elements import attribute

SEPARATOR = " | "
_MAX_SPAN, _MAX_COLUMNS, _MAX_CELL = 100, 200, 1000
"""Columns or rows that a cell may span; columns whose spans count; characters of a cell of data."""
_MAX_NESTED = 8
"""Tables around one that can still hold data: each is read inside the cell of another."""
_ROLES = {
    **dict.fromkeys(("table", "grid", "treegrid"), "table"),
    "rowgroup": "tbody",
    "row": "tr",
    **dict.fromkeys(("cell", "gridcell"), "td"),
    **dict.fromkeys(("columnheader", "rowheader"), "th"),
}
"""The element that each role stands for (https://www.w3.org/TR/wai-aria-1.2/#table)."""
_DISPLAYS = {"table": "table", "table-row-group": "tbody", "table-row": "tr", "table-cell": "td"}
_DISPLAY = re.compile(r"(?:^|;)\s*display\s*:\s*(table(?:-row-group|-row|-cell)?)\s*(?:;|!|$)", re.IGNORECASE)
_TABLE = ("table", "thead", "tbody", "tfoot")
_HEADINGS, _LAYOUT_ELEMENTS = ["h1", "h2", "h3"], ["pre", "article", "form"]


@dataclass
class Row:
    """A row of a table: its element, the cells that begin in it, and its text."""

    element: Tag
    cells: list[Tag]
    text: str = ""


def name_table_parts(soup: BeautifulSoup) -> None:
    """Rename the parts of tables that are made of other elements: their roles or inline styles say what they are."""
    for table in soup.find_all(role=[role for role, name in _ROLES.items() if name == "table"]):
        for tag in (table, *table.find_all(role=list(_ROLES))):
            tag.name = _ROLES[attribute(tag, "role")]
    for tag in soup.find_all(style=_DISPLAY):
        found = _DISPLAY.search(attribute(tag, "style"))
        around = tag.parent.name if tag.parent is not None else ""
        name = _DISPLAYS[found[1].lower()] if found else ""
        if name == "table" or (name == "td" and around == "tr") or (name in {"tr", "tbody"} and around in _TABLE):
            tag.name = name


def is_data_table(table: Tag) -> bool:
    """Return whether a table holds data, or lays out a page."""
    if (
        table.get("role") in {"presentation", "none"}
        or len(table.find_parents("table", limit=_MAX_NESTED)) >= _MAX_NESTED
    ):
        return False
    rows = [list(_cells(row)) for row in table_rows(table)]
    if max(map(len, rows), default=0) < 2 or table.find(_LAYOUT_ELEMENTS):
        return False
    if not all(map(_is_alone, table.find_all(_HEADINGS))):
        return False
    has_header = any(cell.name == "th" for row in rows for cell in row)
    if not has_header and table.find("table"):
        return False
    return all(len(cell.get_text()) <= _MAX_CELL for row in rows for cell in row)


def _is_alone(heading: Tag) -> bool:
    """Return whether a heading is all that its cell, or the caption, says."""
    around = heading.find_parent(["td", "th", "caption"])
    return around is not None and around.get_text(strip=True) == heading.get_text(strip=True)


def table_rows(table: Tag) -> Iterator[Tag]:
    """Yield the rows of a table, without those of tables within it."""
    for child in _children(table):
        if child.name == "tr":
            yield child
        elif child.name in _TABLE[1:]:
            yield from (row for row in _children(child) if row.name == "tr")


def read_rows(table: Tag, cell_text: Callable[[Tag], str]) -> list[Row]:
    """Return the rows that have a text, in columns.

    A cell that spans rows stands in each of them; one that spans columns is followed by empty ones. Columns that are
    empty throughout are left out.

    References:
        The slots of https://html.spec.whatwg.org/multipage/tables.html#forming-a-table
    """
    rows, grid = [], []
    spanning: dict[int, tuple[int, str]] = {}  # column: rows to come, text
    for element in table_rows(table):
        cells, slots = list(_cells(element)), list[str]()
        texts = [cell_text(cell).replace(SEPARATOR, " ") for cell in cells]
        for cell, text in zip(cells, texts, strict=True):
            _repeat(spanning, slots)
            width = _span(cell, "colspan") if len(slots) < _MAX_COLUMNS else 1
            height = _span(cell, "rowspan") if len(slots) < _MAX_COLUMNS else 1
            if height > 1:
                spanning |= {
                    len(slots) + i: (height, text if i == 0 and not cell.find("img") else "") for i in range(width)
                }
                _repeat(spanning, slots)
            else:
                slots += [text, *[""] * (width - 1)]
        for column in sorted(column for column in spanning if column >= len(slots)):
            slots += [""] * (column - len(slots))
            _repeat(spanning, slots)
        rows.append(Row(element, cells))
        grid.append(slots)
    used = {column for slots in grid for column, text in enumerate(slots) if text}
    for row, slots in zip(rows, grid, strict=True):
        row.text = _line([text for column, text in enumerate(slots) if column in used], row.cells)
    return [row for row in rows if row.text]


def _repeat(spanning: dict[int, tuple[int, str]], slots: list[str]) -> None:
    """Fill the next columns as long as cells of earlier rows reach into them."""
    while (column := len(slots)) in spanning:
        rows, text = spanning.pop(column)
        slots.append(text)
        if rows > 1:
            spanning[column] = (rows - 1, text)


def _line(texts: list[str], cells: list[Tag]) -> str:
    if not any(texts) or len(cells) <= 1 == sum(map(bool, texts)):  # nothing, or a heading of the rows below it
        return "".join(texts)
    return " ".join(SEPARATOR.join(texts).split())


def _cells(row: Tag) -> Iterator[Tag]:
    yield from (child for child in _children(row) if child.name in {"td", "th"})


def _children(tag: Tag) -> Iterator[Tag]:
    """Yield the elements of an element; `find_all` takes ten times as long."""
    yield from (child for child in tag.children if isinstance(child, Tag))


def _span(cell: Tag, attribute: str) -> int:
    value = str(cell.get(attribute, "1")).strip()
    span = min(int(value[:4]), _MAX_SPAN) if value.isdecimal() else 1
    return span or (_MAX_SPAN if attribute == "rowspan" else 1)  # rowspan=0 reaches to the last row
