"""A run as an engine gets it: the rows that are left, the worker, and where the output goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llmkit.batch.id_index import IdIndex
from llmkit.batch.output_folder import OutputFolder
from llmkit.batch.row_files import RowFiles
from llmkit.batch.row_format import Block
from llmkit.batch.worker import ChainWorker


@dataclass(frozen=True)
class Job:
    """What an engine computes, and with how many workers.

    Attributes:
        batch_rows: rows that a worker is given together.
        gpus: of each worker.
    """

    rows: RowFiles
    folder: OutputFolder
    index: IdIndex
    worker: ChainWorker
    workers: int
    batch_rows: int
    gpus: float

    def blocks(self) -> Iterator[Block]:
        """Yield the rows that are not done."""
        columns = self.worker.spec.columns
        for path in self.rows.paths:
            for block in self.rows.format.read(path, self.folder.id_column, columns, self.batch_rows):
                left = self.index.undone(block.ids)
                if left:
                    yield block if len(left) == len(block.ids) else self.rows.format.take(block, left)
