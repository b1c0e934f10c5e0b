"""Which rows an input has and which are done: an index of ids on disk, so that memory does not grow with the input."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from llmkit.batch.row_files import RowFiles
from llmkit.errors import InputError, RunError

_CACHE_KIB = 8 * 1024
_ASKED = 500  # ids in one question


class IdIndex:
    """The ids of an input, each once."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        for name, value in (("journal_mode", "off"), ("synchronous", "off"), ("cache_size", -_CACHE_KIB)):
            database.execute(f"pragma {name} = {value}")
        database.execute(
            "create table ids (id text primary key, file integer, row integer, done integer default 0) without rowid"
        )
        self._paths: list[Path] = []

    @classmethod
    @contextmanager
    def create(cls, path: Path) -> Iterator[IdIndex]:
        """Open a new index in a file that is removed at the end."""
        path.unlink(missing_ok=True)
        database = sqlite3.connect(path, isolation_level=None)
        try:
            yield cls(database)
        except sqlite3.OperationalError as error:
            raise RunError(f"the index of ids in {path.parent} cannot be written: {error}") from error
        finally:
            database.close()
            path.unlink(missing_ok=True)

    def add_all(self, rows: RowFiles, id_column: str, columns: Sequence[str]) -> int:
        """Add the ids of all rows; return how many there are.

        Raises:
            InputError: a row has no id, or that of another row.
        """
        total = 0
        for number, path in enumerate(rows.paths):
            self._paths.append(path)
            done = 0
            for ids in rows.format.read_ids(path, id_column, columns):
                self._add(ids, number, done)
                done += len(ids)
            total += done
        return total

    def _add(self, ids: Sequence[str], file: int, before: int) -> None:
        found = [(key, file, before + index) for index, key in enumerate(ids, 1)]
        self._database.execute("begin")
        for row in found:
            try:
                self._database.execute("insert into ids (id, file, row) values (?, ?, ?)", row)
            except sqlite3.IntegrityError as error:
                first = self._database.execute("select file, row from ids where id = ?", row[:1]).fetchone()
                places = " and ".join(f"row {index} of {self._paths[number]}" for number, index in (first, row[1:]))
                raise InputError(f"{places} have the same id, {row[0]}: each row needs an id of its own") from error
        self._database.execute("commit")

    def mark_done(self, ids: Iterable[str]) -> None:
        """Remember that rows are done; those that the input no longer has are passed over."""
        self._database.execute("begin")
        self._database.executemany("update ids set done = 1 where id = ?", ((key,) for key in ids))
        self._database.execute("commit")

    def undone(self, ids: Sequence[str]) -> list[int]:
        """Return the indices of the ids that are not done."""
        done: set[str] = set()
        for start in range(0, len(ids), _ASKED):
            part = ids[start : start + _ASKED]
            marks = ", ".join("?" * len(part))
            question = f"select id from ids where done = 1 and id in ({marks})"
            done.update(key for (key,) in self._database.execute(question, part))
        return [index for index, key in enumerate(ids) if key not in done]

    def done(self, size: int) -> Iterator[list[str]]:
        """Yield the ids that are done, in lists of at most `size`."""
        rows = self._database.execute("select id from ids where done = 1")
        while found := rows.fetchmany(size):
            yield [key for (key,) in found]

    def count_done(self) -> int:
        """Return how many rows are done."""
        return self._count(1)

    def count_left(self) -> int:
        """Return how many rows are not done."""
        return self._count(0)

    def _count(self, done: int) -> int:
        return int(self._database.execute("select count(*) from ids where done = ?", (done,)).fetchone()[0])
