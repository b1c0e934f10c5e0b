"""Rows of a data file: JSON Lines, CSV or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llmkit.batch.parquet_rows import open_parquet
from llmkit.errors import InputError
from llmkit.files.encodings import decode

Row = Mapping[str, Any]
_MAX_CELL = 2**27  # characters; Python's own limit is 131,072


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file.

    Raises:
        InputError: the file cannot be read, or has a row that is damaged; names it.
    """
    match ending := path.suffix.lower():
        case ".jsonl" | ".ndjson":
            yield from _read_json_lines(path)
        case ".csv" | ".tsv":
            yield from _read_table(path, "\t" if ending == ".tsv" else ",")
        case ".parquet" | ".pq":
            yield from _read_parquet(path)
        case _:
            raise InputError(f"{path} is in a format that is not read: give .jsonl, .csv, .tsv or .parquet")


def _read_text(path: Path) -> str:
    try:
        return decode(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _read_json_lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_read_text(path).split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"line {number} of {path} is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise InputError(f"line {number} of {path} is not a JSON object")
            yield row


def _read_table(path: Path, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(_MAX_CELL)
    reader = csv.DictReader(io.StringIO(_read_text(path), newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():  # more cells than names, or fewer
                raise InputError(
                    f"line {reader.line_num} of {path} has not as many columns as the first line: a text with a "
                    "delimiter or a line end must be in quotation marks"
                )
            yield row
    except csv.Error as error:
        raise InputError(f"line {reader.line_num} of {path} is not a row of a table: {error}") from error


def _read_parquet(path: Path) -> Iterator[Row]:
    with open_parquet(path) as file:
        try:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
        except OSError as error:
            raise InputError(f"{path} is damaged: {error}") from error
