"""Rows in Parquet files: Arrow record batches, which are passed on as they are, with three more columns of JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from llmkit.batch.row_format import Block, Status, id_key, refuse_columns
from llmkit.batch.worker import ERROR, OUTPUT_COLUMNS, Outcome
from llmkit.errors import InputError

_IDS = 10_000  # that are passed on together


class ParquetRows:
    """The format; results, errors and how they were made are JSON texts in columns of their own."""

    ending = ".parquet"

    def __init__(self) -> None:
        _require_pyarrow()

    def read_ids(self, path: Path, id_column: str, columns: Sequence[str]) -> Iterator[list[str]]:
        """Yield the ids of all rows, in lists; raise `InputError` if one has none, or a column is missing."""
        with open_parquet(path) as file:
            refuse_columns(path, file.schema_arrow.names, [id_column, *columns], OUTPUT_COLUMNS)
            done = 0
            for batch in file.iter_batches(_IDS, columns=[id_column]):
                cells = batch.column(id_column).to_pylist()
                yield [id_key(cell, f"row {done + index} of {path}") for index, cell in enumerate(cells, 1)]
                done += len(cells)

    def read(self, path: Path, id_column: str, columns: Sequence[str], size: int) -> Iterator[Block]:
        """Yield all rows, in blocks of at most `size`."""
        with open_parquet(path) as file:
            for batch in file.iter_batches(max(size, 1)):
                yield self.to_block(batch, id_column, columns)

    def take(self, block: Block, indices: Sequence[int]) -> Block:
        """Return some rows of a block."""
        import pyarrow

        ids, columns = [block.ids[index] for index in indices], [[cells[i] for i in indices] for cells in block.columns]
        return Block(block.schema, ids, columns, block.rows.take(pyarrow.array(indices, "int64")))

    def to_block(self, table: Any, id_column: str, columns: Sequence[str]) -> Block:
        """Return the rows of an Arrow table or record batch."""
        import pyarrow

        is_table = isinstance(table, pyarrow.Table) and table.num_rows
        rows = table.combine_chunks().to_batches()[0] if is_table else table
        ids = [id_key(cell, "a row") for cell in rows.column(id_column).to_pylist()]
        return Block(rows.schema, ids, [rows.column(name).to_pylist() for name in columns], rows)

    def open_journal(self, path: Path) -> ArrowJournal:
        """Create a journal."""
        return ArrowJournal(path)

    def finish(self, journal: Path, part: Path) -> None:
        """Write an output file with all that the journal has completely, then remove the journal."""
        import pyarrow
        from pyarrow import ipc, parquet

        batches: list[Any] = []
        with suppress(pyarrow.ArrowInvalid, OSError), pyarrow.OSFile(str(journal)) as source:
            batches.extend(ipc.open_stream(source))  # up to the one that was written in part
        if batches and not part.exists():
            draft = part.with_name(f".{part.name}.draft")
            try:
                parquet.write_table(pyarrow.Table.from_batches(batches), draft)
                draft.replace(part)
            finally:
                draft.unlink(missing_ok=True)
        journal.unlink()

    def read_status(self, part: Path, id_column: str) -> Iterator[list[Status]]:
        """Yield which rows an output file has."""
        with open_parquet(part) as file:
            for batch in file.iter_batches(_IDS, columns=[id_column, ERROR]):
                ids = [id_key(cell, str(part)) for cell in batch.column(id_column).to_pylist()]
                yield list(zip(ids, batch.column(ERROR).to_pylist(), strict=True))

    def write_without_errors(self, part: Path, target: Path) -> int:
        """Write the rows of an output file that have no error to another file; return how many there are."""
        from pyarrow import parquet

        table = parquet.read_table(part)
        table = table.filter(table[ERROR].is_null())
        parquet.write_table(table, target)
        return int(table.num_rows)


class ArrowJournal:
    """A journal in Arrow's stream format, of which each batch can be read without those after it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._writer: Any = None

    def append(self, block: Block, outcomes: Sequence[Outcome]) -> None:
        """Write rows with what was added to them."""
        import pyarrow
        from pyarrow import ipc

        text = pyarrow.string()
        added = [pyarrow.array([getattr(row, name) for row in outcomes], text) for name in OUTPUT_COLUMNS]
        fields = [*block.rows.schema, *(pyarrow.field(name, text) for name in OUTPUT_COLUMNS)]
        schema = pyarrow.schema(fields, metadata=block.rows.schema.metadata)
        if self._writer is None:
            self._writer = ipc.new_stream(self._file, schema)
        self._writer.write_batch(pyarrow.record_batch([*block.rows.columns, *added], schema=schema))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # the end of a stream need not be there
            if self._writer is not None:
                self._writer.close()
        self._file.close()


def open_parquet(path: Path) -> Any:
    """Open a file; raise `InputError` if it is no Parquet, or pyarrow is not installed."""
    _require_pyarrow()
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise InputError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def _require_pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise InputError('.parquet needs pyarrow: python -m pip install "llmkit[parquet]"') from error
