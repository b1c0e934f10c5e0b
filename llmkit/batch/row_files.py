"""Rows in files: which files an input has, in which format, and what all formats can do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from llmkit.batch.worker import Outcome
from llmkit.errors import InputError

Status = tuple[str, str | None]
"""The id of a row that is done, as JSON, and its error, if it has one."""


class Block(NamedTuple):
    """Rows that were read together.

    Attributes:
        schema: the columns of the file that they are in; rows with others are not written to the same file.
        ids: the id of each row, as JSON.
        columns: the cells of each column that the worker reads.
        rows: the rows as they are in the file, in the form of their format.
    """

    schema: Any
    ids: list[str]
    columns: list[list[Any]]
    rows: Any


class Journal(Protocol):
    """A file that rows are added to as they are done; it survives the death of the process at any time."""

    def append(self, block: Block, outcomes: Sequence[Outcome]) -> None:
        """Write rows with what was added to them."""

    def close(self) -> None:
        """Close the file."""


class RowFormat(Protocol):
    """How rows are read and written."""

    ending: str

    def read_ids(self, path: Path, id_column: str, columns: Sequence[str]) -> Iterator[list[str]]:
        """Yield the ids of all rows, in lists; raise `InputError` if one has none, or a column is missing."""

    def read(self, path: Path, id_column: str, columns: Sequence[str], size: int) -> Iterator[Block]:
        """Yield all rows, in blocks of at most `size`."""

    def take(self, block: Block, indices: Sequence[int]) -> Block:
        """Return some rows of a block."""

    def open_journal(self, path: Path) -> Journal:
        """Create a journal."""

    def finish(self, journal: Path, part: Path) -> None:
        """Make an output file of all that a journal has completely; a journal without rows is removed."""

    def read_status(self, part: Path, id_column: str) -> Iterator[list[Status]]:
        """Yield which rows an output file has."""

    def write_without_errors(self, part: Path, target: Path) -> int:
        """Write the rows of an output file that have no error to another file; return how many there are."""


@dataclass(frozen=True)
class RowFiles:
    """The files of an input, all in one format."""

    paths: tuple[Path, ...]
    format: RowFormat

    @classmethod
    def find(cls, source: Path) -> RowFiles:
        """Return a file, or the files of a folder in the order of their names.

        Raises:
            InputError: there is no such file, no format that can be read, or more than one.
        """
        if not source.exists():
            raise InputError(f"{source} cannot be read: there is no such file or folder")
        hidden = ("_", ".")
        found = sorted(source.iterdir()) if source.is_dir() else [source]
        paths = [path for path in found if path.is_file() and (path == source or not path.name.startswith(hidden))]
        endings = {path.suffix.lower() for path in paths}
        formats = {_formats().get(ending) for ending in endings}
        if len(formats) != 1 or None in formats:
            listed = f"files ending in {', '.join(sorted(endings))}" if endings else "no files"
            what = f"{source} has {listed}" if source.is_dir() else f"{source} is in a format that is not read"
            raise InputError(f"{what}: give .jsonl or .parquet files, all of one format")
        return cls(tuple(paths), format_of(str(formats.pop())))


def _formats() -> dict[str, str]:
    return {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet"}


def format_of(name: str) -> RowFormat:
    """Return the format of this name; raise `InputError` if the library that it needs is not installed."""
    if name == "jsonl":
        from llmkit.batch.json_rows import JsonRows

        return JsonRows()
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise InputError('.parquet needs pyarrow: python -m pip install "llmkit[parquet]"') from error
    from llmkit.batch.parquet_rows import ParquetRows

    return ParquetRows()


def id_key(value: Any, place: str) -> str:
    """Return an id as JSON; raise `InputError` if it is no text and no whole number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"{place} has the id {value!r}, but must have a text or a whole number")
    return json.dumps(value, ensure_ascii=False)


def refuse_columns(path: Path, found: Sequence[str], needed: Sequence[str], added: Sequence[str]) -> None:
    """Raise `InputError` if a file lacks a column that is read, or has one that is added."""
    if missing := [name for name in needed if name not in found]:
        advice = "name the columns with --id-column, --text-column and --question-column"
        raise InputError(f"{path} has no column {missing[0]!r}, but {', '.join(found)}: {advice}")
    if taken := [name for name in added if name in found]:
        raise InputError(f"{path} has a column {taken[0]!r}, which would be written over: rename it")
