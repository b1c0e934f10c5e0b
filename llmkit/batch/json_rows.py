"""Rows as JSON Lines: an object on each line, which is passed on as it is, with three more keys."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from llmkit.batch.row_format import Block, Status, id_key, refuse_columns
from llmkit.batch.worker import ERROR, OUTPUT_COLUMNS, Outcome
from llmkit.errors import InputError
from llmkit.files.encodings import utf8_lines

ID, LINE = LINE_COLUMNS = ("id", "line")
"""How engines pass on rows in Arrow tables, so that their text stays as it is: the id as JSON, and the line."""
_IDS = 10_000  # that are passed on together
_BOM = b"\xef\xbb\xbf"


class JsonRows:
    """The format; results, errors and how they were made are JSON objects in their rows."""

    ending = ".jsonl"

    def read_ids(self, path: Path, id_column: str, columns: Sequence[str]) -> Iterator[list[str]]:
        """Yield the ids of all rows, in lists; raise `InputError` if a line is no object with an id."""
        found: list[str] = []
        for number, (_, row) in enumerate(read_objects(path), 1):
            if number == 1:
                refuse_columns(path, list(row), [id_column, *columns], ())
            refuse_columns(path, list(row), [id_column], OUTPUT_COLUMNS)
            found.append(id_key(row[id_column], f"row {number} of {path}"))
            if len(found) == _IDS:
                yield found
                found = []
        yield found

    def read(self, path: Path, id_column: str, columns: Sequence[str], size: int) -> Iterator[Block]:
        """Yield all rows, in blocks of at most `size`."""
        block = Block(None, [], [[] for _ in columns], [])
        for line, row in read_objects(path):
            block.ids.append(id_key(row[id_column], str(path)))
            block.rows.append(line)
            for cells, name in zip(block.columns, columns, strict=True):
                cells.append(row.get(name))
            if len(block.ids) == size:
                yield block
                block = Block(None, [], [[] for _ in columns], [])
        if block.ids:
            yield block

    def take(self, block: Block, indices: Sequence[int]) -> Block:
        """Return some rows of a block."""
        ids, rows = ([column[index] for index in indices] for column in (block.ids, block.rows))
        return Block(block.schema, ids, [[cells[index] for index in indices] for cells in block.columns], rows)

    def to_block(self, table: Any, id_column: str, columns: Sequence[str]) -> Block:
        """Return the rows of an Arrow table with `LINE_COLUMNS`."""
        lines = [line.encode() for line in table[LINE].to_pylist()]
        rows = [json.loads(line) for line in lines]
        return Block(None, table[ID].to_pylist(), [[row.get(name) for row in rows] for name in columns], lines)

    def open_journal(self, path: Path) -> JsonJournal:
        """Create a journal."""
        return JsonJournal(path)

    def finish(self, journal: Path, part: Path) -> None:
        """Make an output file of the journal by renaming it; a line that was written in part is cut off."""
        size = 0
        with journal.open("r+b") as file:
            for line in file:
                size += len(line) if line.endswith(b"\n") else 0
            file.truncate(size)
            os.fsync(file.fileno())
        if size:
            journal.replace(part)
        else:
            journal.unlink()

    def read_status(self, part: Path, id_column: str) -> Iterator[list[Status]]:
        """Yield which rows an output file has."""
        found: list[Status] = []
        for _, row in read_objects(part):
            error = row.get(ERROR)
            found.append((id_key(row[id_column], str(part)), error and json.dumps(error, ensure_ascii=False)))
            if len(found) == _IDS:
                yield found
                found = []
        yield found

    def write_without_errors(self, part: Path, target: Path) -> int:
        """Write the rows of an output file that have no error to another file; return how many there are."""
        count = 0
        with target.open("wb") as file:
            for line, row in read_objects(part):
                if row.get(ERROR) is None:
                    file.write(line + b"\n")
                    count += 1
        return count


class JsonJournal:
    """A journal of JSON Lines, which becomes the output file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)

    def append(self, block: Block, outcomes: Sequence[Outcome]) -> None:
        """Write rows with what was added to them."""
        data = b"".join(with_outcome(line, outcome) for line, outcome in zip(block.rows, outcomes, strict=True))
        while data:
            data = data[self._file.write(data) or 0 :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_lines(path: Path, id_column: str, size: int) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the ids, as JSON, and the lines of a file, in lists of at most `size`."""
    for block in JsonRows().read(path, id_column, (), size):
        yield block.ids, [line.decode() for line in block.rows]


def with_outcome(line: bytes, outcome: Sequence[str | None]) -> bytes:
    """Return a line that ends with what was added to its object, whose own text stays as it is."""
    added = (f'"{name}": {value or "null"}' for name, value in zip(OUTPUT_COLUMNS, outcome, strict=True))
    return line.rstrip()[:-1].rstrip() + f", {', '.join(added)}}}\n".encode()


def read_objects(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield each line that is not empty, without its end, and its object; raise `InputError` for a damaged one."""
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(utf8_lines(stream, str(path)), 1):
                text = line.removeprefix(_BOM if number == 1 else b"").strip()
                if text:
                    yield text, _parse(text, f"line {number} of {path}")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _parse(line: bytes, place: str) -> dict[str, Any]:
    value: Any = None
    with suppress(ValueError, RecursionError):
        value = json.loads(line)
    if not isinstance(value, dict):
        raise InputError(f'{place} is not a JSON object, such as {{"id": 7, "text": "…"}}')
    return value
