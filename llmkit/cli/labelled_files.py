"""Labelled texts in files: JSON Lines, a JSON array, or a CSV or TSV table with a column for each key."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from llmkit.cli import files
from llmkit.errors import InputError

_DELIMITERS = {".tsv": "\t,;"}
_USUAL_DELIMITERS = ",;\t"
_MAX_CELL = 100_000_000  # characters; Python's own limit is 131,072


class LabelledRow(dict[str, Any]):
    """A labelled text: `input`, `output` and perhaps other keys; `place` says where it is, as `line 3 of a.csv`."""

    place = ""


def examples_help(shape: str) -> str:
    """Return the help of an option for examples, which have this shape."""
    return f"Few-shot examples, a line each: {shape}; or a .csv or .tsv file with these columns."


def read_labelled(
    path: Path | None,
    *fields: str,
    parse_cell: Callable[[str], Any] = str,
    text_output: bool = True,
) -> list[LabelledRow]:
    """Read labelled texts; none without a file.

    Args:
        path: the file. One that ends in `.csv` or `.tsv`, or whose first line has the names of the columns, is a table.
        fields: keys that a text must have besides `input` and `output`.
        parse_cell: parses the output in a table; may raise `ValueError`, which says what the output must be.
        text_output: whether the output must be text that is not empty.

    Raises:
        InputError: the file cannot be read, or a text is incomplete; names the line.
    """
    if path is None:
        return []
    names, text, found = ("input", *fields, "output"), files.read_text(str(path)), list[LabelledRow]()
    for place, value in _rows(path, text, names, parse_cell):
        if not isinstance(value, dict) or not set(names) <= value.keys():
            raise InputError(f"{place} must be an object with {_listed(names)}")
        row = LabelledRow({name: value[name] for name in names})
        row.place = place
        for name in names if text_output else names[:-1]:
            if not isinstance(row[name], str) or not row[name].strip():
                raise InputError(f'{place} has the "{name}" {row[name]!r:.80}, but must have a text')
        found.append(row)
    if not found:
        raise InputError(f"{path} has no labelled texts")
    return found


def _rows(path: Path, text: str, names: Sequence[str], parse_cell: Callable[[str], Any]) -> Iterator[tuple[str, Any]]:
    """Yield each row with its place."""
    ending, first_line = path.suffix.lower(), text.lstrip().partition("\n")[0]
    if ending in (".csv", ".tsv") or _delimiter(first_line, names, _USUAL_DELIMITERS):
        yield from _table_rows(path, text, names, parse_cell)
    elif ending == ".json" and text.lstrip().startswith("["):
        for number, value in enumerate(_parse(text, str(path)), 1):
            yield f"item {number} of {path}", value
    else:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"line {number} of {path}", _parse(line, f"line {number} of {path}")


def _parse(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} is not JSON: {error}") from error


def _table_rows(
    path: Path, text: str, names: Sequence[str], parse_cell: Callable[[str], Any]
) -> Iterator[tuple[str, Any]]:
    delimiters = _DELIMITERS.get(path.suffix.lower(), _USUAL_DELIMITERS)
    first_line = text.lstrip().partition("\n")[0]
    delimiter = _delimiter(first_line, names, delimiters) or max(delimiters, key=first_line.count)
    csv.field_size_limit(_MAX_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        place = f"line {reader.line_num + 1} of {path}"
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InputError(f"{place} is not a row of a table: {error}") from error
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _columns(cells)
            if not set(names) <= set(header):
                columns = ", ".join(cell.strip() for cell in cells)
                raise InputError(f"{path} has the columns {columns}, but must have {_listed(names)}")
            continue
        if len(cells) != len(header):
            advice = "a text with a comma or a line end must be in quotation marks"
            raise InputError(f"{place} has {len(cells)} columns, but the first line has {len(header)}: {advice}")
        row: dict[str, Any] = dict(zip(header, cells, strict=True))
        try:
            row["output"] = parse_cell(row["output"])
        except ValueError as error:
            raise InputError(f'{place} has the "output" {row["output"]!r:.80}, but must have {error}') from error
        yield place, row


def _delimiter(header: str, names: Sequence[str], delimiters: str) -> str | None:
    """Return what separates the columns of a header that has these names."""
    for delimiter in delimiters:
        if set(names) <= set(_columns(header.split(delimiter))):
            return delimiter
    return None


def _columns(cells: Sequence[str]) -> list[str]:
    return [cell.strip().strip('"').casefold() for cell in cells]


def _listed(names: Sequence[str]) -> str:
    *others, last = (f'"{name}"' for name in names)
    return f"{', '.join(others)} and {last}"
