"""What all formats of rows can do, and what they need."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
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

    def to_block(self, table: Any, id_column: str, columns: Sequence[str]) -> Block:
        """Return the rows of an Arrow table, in the form in which engines pass rows of this format on."""

    def open_journal(self, path: Path) -> Journal:
        """Create a journal."""

    def finish(self, journal: Path, part: Path) -> None:
        """Make an output file of all that a journal has completely; a journal without rows is removed."""

    def read_status(self, part: Path, id_column: str) -> Iterator[list[Status]]:
        """Yield which rows an output file has."""

    def write_without_errors(self, part: Path, target: Path) -> int:
        """Write the rows of an output file that have no error to another file; return how many there are."""


def id_key(value: Any, place: str) -> str:
    """Return an id as JSON; raise `InputError` if it is no text and no whole number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"{place} has the id {value!r}, but must have a text or a whole number")
    return json.dumps(value, ensure_ascii=False)


def refuse_columns(path: Path, found: Sequence[str], needed: Sequence[str], added: Sequence[str]) -> None:
    """Raise `InputError` if a file lacks a column that is read, or has one that is added."""
    if missing := [name for name in needed if name not in found]:
        options = ["--id-column", "--text-column", *(["--question-column"] if len(needed) > 2 else [])]
        advice = f"name the columns with {', '.join(options[:-1])} and {options[-1]}"
        raise InputError(f"{path} has no column {missing[0]!r}, but {', '.join(found)}: {advice}")
    if taken := [name for name in added if name in found]:
        raise InputError(f"{path} has a column {taken[0]!r}, which would be written over: rename it")
