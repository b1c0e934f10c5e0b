"""Lines of JSON in Arrow tables: how engines pass on rows of JSON Lines, whose text must stay as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from llmkit.batch.json_rows import with_outcome
from llmkit.batch.worker import ChainWorker

ID, LINE = LINE_COLUMNS = ("id", "line")
"""The id of a row, as JSON, and its line."""


class LineWorker:
    """A worker whose rows are lines; a line gets what is added to its row.

    Args:
        worker: computes the rows.
    """

    def __init__(self, worker: ChainWorker) -> None:
        self._worker = worker

    def __call__(self, table: Any) -> Any:
        """Return a table in which each line has what was added to its object."""
        import pyarrow

        lines = table[LINE].to_pylist()
        rows = [json.loads(line) for line in lines]
        outcomes = self._worker.outcomes(*([row.get(name) for row in rows] for name in self._worker.spec.columns))
        pairs = zip(lines, outcomes, strict=True)
        added = [with_outcome(line.encode(), outcome).decode().rstrip("\n") for line, outcome in pairs]
        columns = [table[ID], pyarrow.array(added, pyarrow.string())]
        return type(table).from_arrays(columns, names=list(LINE_COLUMNS))

    def map_tables(self, tables: Iterator[Any]) -> Iterator[Any]:
        """Yield each table with the lines that were added to; Spark's `mapInArrow` takes this."""
        return map(self, tables)
