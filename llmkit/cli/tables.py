"""Results as tables: a row for each text, or for each span that was found in it; as CSV, Markdown and Parquet."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from llmkit.cli.control_characters import to_json
from llmkit.errors import InputError

Row = dict[str, Any]

COLUMNS = {
    "classify": ("label", "labels", "calibrated", "passages", "method"),
    "entities": ("text", "label", "start", "end", "score", "calibrated", "method"),
    "ask": ("text", "found", "confidence", "calibrated", "method", "quote", "start", "end", "source", "link"),
    "summarize": ("text", "strategy", "model_calls", "complete", "calibrated"),
}
"""The columns of each command, whatever its results are; those of labels come after them."""
_FIRST, _LAST = ("line", "id"), ("error",)
_FORMULA = re.compile(r"\s*[=+\-@\t\r＝＋－＠]")
_NUMBER = re.compile(r"[+-]?\d[\d.,]*%?")
_MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\]<>|~#])")
_PARQUET_ROWS = 10_000  # written together


def rows_of(command: str, fields: Mapping[str, Any]) -> list[Row]:
    """Return the rows of a result, from its fields as `--json` prints them.

    Entities and citations have a row each; an answer without a citation has one row, a text without entities none.
    """
    head = {name: fields[name] for name in _FIRST if name in fields}
    if "error" in fields:
        return [head | {"error": fields["error"]}]
    whole = head | {name: fields[name] for name in COLUMNS[command] if name in fields}
    match command:
        case "classify":
            return [whole | {f"scores.{label}": score for label, score in fields["scores"].items()}]
        case "entities":
            return [whole | entity for entity in fields["entities"]]
        case "ask":
            quotes = [{name: quote[name] for name in COLUMNS["ask"] if name in quote} for quote in fields["citations"]]
            return [whole | quote for quote in quotes] or [whole]
    return [whole]


def columns_of(command: str, rows: Iterable[Row]) -> list[str]:
    """Return the columns of some rows: line and id first, then those of the command, then all others; errors last."""
    found = dict.fromkeys(name for row in rows for name in row)
    first = [name for name in _FIRST if name in found]
    last = [name for name in _LAST if name in found]
    known = [*first, *COLUMNS[command]]
    return [*known, *(name for name in found if name not in (*known, *last)), *last]


def one_line(command: str, fields: Mapping[str, Any]) -> str:
    """Return a result as one line of plain text."""
    if "error" in fields:
        return f"error: {fields['error']}"
    match command:
        case "classify":
            text = "; ".join(fields["labels"])
        case "entities":
            text = "; ".join(f"{entity['text']} ({entity['label']})" for entity in fields["entities"])
        case _:
            text = fields["text"]
    return " ".join(text.split())


def write_json(file: TextIO, results: Iterable[Mapping[str, Any]]) -> None:
    """Write results as one JSON array, each on a line."""
    separator = "[\n"
    for fields in results:
        file.write(f"{separator}{to_json(fields)}")
        separator = ",\n"
    file.write("[]\n" if separator == "[\n" else "\n]\n")


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Row], delimiter: str = ",") -> None:
    """Write rows as CSV (RFC 4180), in which no text is a formula to a spreadsheet."""
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(map(_csv_cell, columns))
    writer.writerows([_csv_cell(row.get(name)) for name in columns] for row in rows)


def _csv_cell(value: Any) -> Any:
    """Return a cell; a text that a spreadsheet would compute gets an apostrophe before it.

    Texts and web pages can have cells that send data away: https://owasp.org/www-community/attacks/CSV_Injection
    """
    value = _joined(value)
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def write_markdown(file: TextIO, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows as a table of GitHub Flavored Markdown; signs in a cell are text."""
    file.write(f"| {' | '.join(map(_markdown_cell, columns))} |\n|{' --- |' * len(columns)}\n")
    for row in rows:
        file.write(f"| {' | '.join(_markdown_cell(row.get(name)) for name in columns)} |\n")


def _markdown_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    return escape_markdown(str(_joined(value)))


def _joined(value: Any) -> Any:
    """Return a list as one text, a truth value or an object as JSON, and all else as it is."""
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value))
    return to_json(value) if isinstance(value, bool | dict) else value


def escape_markdown(text: str) -> str:
    """Return a text in which no sign is Markdown, in one line."""
    return " ".join(_MARKDOWN_SIGNS.sub(r"\\\1", text).split())


def require_parquet() -> None:
    """Raise `InputError` if no library is installed that writes Parquet."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise InputError(
            '.parquet needs pyarrow: python -m pip install "llmkit[parquet]", or name a .csv or .jsonl file'
        ) from error


def write_parquet(path: Path, columns: Sequence[str], rows: Callable[[], Iterator[Row]]) -> None:
    """Write rows as Parquet; they are read twice, first for the types of the columns."""
    import pyarrow
    from pyarrow import parquet

    found: dict[str, set[type]] = {name: set() for name in columns}
    for row in rows():
        for name, value in row.items():
            found[name].add(type(value))
    schema = pyarrow.schema([(name, _arrow_type(pyarrow, kinds - {type(None)})) for name, kinds in found.items()])
    texts = {field.name for field in schema if field.type == pyarrow.string()}
    with parquet.ParquetWriter(path, schema) as writer:
        left = rows()
        while group := list(islice(left, _PARQUET_ROWS)):
            cells = [
                {name: _as_text(value) if name in texts else value for name, value in row.items()} for row in group
            ]
            writer.write_table(pyarrow.Table.from_pylist(cells, schema=schema))


def _arrow_type(pyarrow: Any, types: set[type]) -> Any:
    if types == {bool}:
        return pyarrow.bool_()
    if types == {int}:
        return pyarrow.int64()
    if types and types <= {int, float}:
        return pyarrow.float64()
    return pyarrow.list_(pyarrow.string()) if types == {list} else pyarrow.string()


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else to_json(value)
