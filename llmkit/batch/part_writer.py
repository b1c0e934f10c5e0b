"""What a worker of an engine does with rows: it computes them, and writes them at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmkit.batch.output_folder import OutputFolder
from llmkit.batch.worker import ChainWorker


class PartWriter:
    """Takes Arrow tables of rows, writes a part file of each, and gives the number of its rows.

    The file is written here, not by the engine: an engine writes what is computed some time later, and its end would
    lose more than a batch. An engine may give the same rows again, because a worker was killed; they are written once.
    """

    def __init__(self, worker: ChainWorker, folder: OutputFolder) -> None:
        self._worker, self._folder = worker, folder

    def __call__(self, table: Any) -> Any:
        """Write the rows of a table; return a table of one row with their number."""
        columns = self._worker.spec.columns
        block = self._folder.format.to_block(table, self._folder.id_column, columns)
        if block.ids and not self._folder.has_part(block):
            self._folder.write_part(block, self._worker.outcomes(*block.columns))
        return type(table).from_pydict({"rows": [len(block.ids)]})

    def map_tables(self, tables: Iterator[Any]) -> Iterator[Any]:
        """Write each table; Spark's `mapInArrow` takes this."""
        return map(self, tables)
