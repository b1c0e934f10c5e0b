"""Batches in the forms that engines pass: lists of rows, dictionaries of columns, pandas and Arrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Columns = Mapping[str, Sequence[Any]]


def with_columns(batch: Any, compute: Callable[[Columns], Mapping[str, list[Any]]]) -> Any:
    """Return a batch in the same form with more columns, which are computed from its columns as lists.

    Raises:
        TypeError: the batch is of another form.
    """
    library = type(batch).__module__.partition(".")[0]
    if library == "pandas":
        return batch.assign(**compute({str(name): _plain(batch[name]) for name in batch.columns}))
    if library == "pyarrow":
        return _with_arrow_columns(batch, compute)
    if isinstance(batch, Mapping):  # also the batches of Hugging Face datasets
        columns = {name: _plain(batch[name]) for name in batch}
        added = compute(columns)
        return {**{name: batch[name] for name in columns}, **_as_arrays(added, batch)}
    if isinstance(batch, Sequence) and all(isinstance(row, Mapping) for row in batch):
        return _with_cells(batch, compute)
    raise TypeError(f"a batch is {type(batch).__name__}, but must be rows, a dictionary of columns, pandas or Arrow")


def _with_cells(rows: Sequence[Mapping[str, Any]], compute: Callable[[Columns], Mapping[str, list[Any]]]) -> list[Any]:
    names = dict.fromkeys(name for row in rows for name in row)
    added = compute({name: [row.get(name) for row in rows] for name in names}) if rows else {}
    return [{**row, **{name: cells[index] for name, cells in added.items()}} for index, row in enumerate(rows)]


def _with_arrow_columns(table: Any, compute: Callable[[Columns], Mapping[str, list[Any]]]) -> Any:
    import pyarrow

    for name, cells in compute(_Lazy(table)).items():
        field, column = pyarrow.field(name, pyarrow.string()), pyarrow.array(cells, pyarrow.string())
        table = table.append_column(field, column)
    return table


class _Lazy(Mapping[str, Sequence[Any]]):
    """The columns of an Arrow table, of which only those that are read become lists."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __getitem__(self, name: str) -> Sequence[Any]:
        return self._table[name].to_pylist()  # type: ignore[no-any-return]

    def __iter__(self) -> Any:
        return iter(self._table.schema.names)

    def __len__(self) -> int:
        return len(self._table.schema.names)


def _plain(column: Any) -> list[Any]:
    """Return the cells of a column as Python's own values."""
    return list(column.tolist() if hasattr(column, "tolist") else column)


def _as_arrays(added: Mapping[str, list[Any]], batch: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return columns as arrays where the others are: Ray takes no lists beside arrays."""
    import numpy as np

    is_numpy = any(isinstance(column, np.ndarray) for column in batch.values())
    return {name: np.array(cells, dtype=object) for name, cells in added.items()} if is_numpy else added
