"""Documents by the million: one worker that runs a chain on rows, on this machine, Ray, Spark or `datasets`.

    spec          ChainSpec: what is computed, as plain data
    fingerprint   everything that changes results
    worker        ChainWorker: rows in, rows out; what all engines and `--lines` run
    run           run_batch: a specification over files of rows, as `llmkit batch` does it
    local_engine, ray_engine, spark_engine    the engines
    row_files, row_format, json_rows, parquet_rows    the formats of input and output
    output_folder, id_index                   what is done, and what is left

The names below are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmkit.lazy import lazy as _lazy

if TYPE_CHECKING:
    from llmkit.batch.run import Summary, run_batch
    from llmkit.batch.spec import ChainSpec
    from llmkit.batch.worker import ChainWorker

__all__ = ["ChainSpec", "ChainWorker", "Summary", "run_batch"]

__getattr__, __dir__ = _lazy(
    "llmkit.batch", {"run": ["Summary", "run_batch"], "spec": ["ChainSpec"], "worker": ["ChainWorker"]}
)
