"""Ray Data as the engine: actors that each build the chain once, and Ray's checkpoints to leave out what is done.

https://docs.ray.io/en/latest/data/api/doc/ray.data.Dataset.map_batches.html
https://docs.ray.io/en/latest/data/api/doc/ray.data.checkpoint.interfaces.CheckpointConfig.html

The ids that are done are given to Ray as a checkpoint, and it leaves their rows out as it reads. Actors write the part
files (`PartWriter`): with `Dataset.write_parquet` they would compute ahead of the tasks that write.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llmkit.batch.engine_errors import engine_error
from llmkit.batch.job import Job
from llmkit.batch.json_rows import LINE_COLUMNS, read_lines
from llmkit.batch.part_writer import PartWriter

_IDS = 100_000  # that are written together
_OTHERS = 2  # tasks that read beside the workers


def run(job: Job, progress: Callable[[int], None]) -> None:
    """Compute the rows of a job that are left, and write them.

    Raises:
        RunError: Ray gave up; what is written is kept.
    """
    is_parquet = job.rows.format.ending == ".parquet"
    id_column = job.folder.id_column if is_parquet else LINE_COLUMNS[0]
    done = job.index.count_done()
    with job.folder.drafts() as drafts:
        checkpoints = _write_checkpoints(job, drafts / "done", id_column, as_json=not is_parquet)
        with _session(job.workers), _checkpointing(id_column, str(checkpoints)):
            try:
                for written in _written(job, is_parquet):
                    done += written
                    progress(done)
            except Exception as error:  # Ray has errors of its own for each that a worker raises
                raise engine_error("Ray", str(error)) from error


def _written(job: Job, is_parquet: bool) -> Iterator[int]:
    """Compute and write the rows, with an actor for each worker; yield how many each batch had."""
    import ray
    from ray.data import ActorPoolStrategy

    paths = [str(path.resolve()) for path in job.rows.paths]
    rows = ray.data.read_parquet(paths) if is_parquet else ray.data.read_datasource(_line_source(job, paths))
    written = rows.repartition(target_num_rows_per_block=job.batch_rows).map_batches(
        PartWriter,
        fn_constructor_args=(job.worker, job.folder),
        batch_format="pyarrow",
        batch_size=job.batch_rows,
        compute=ActorPoolStrategy(size=job.workers),
        num_cpus=1,
        **({"num_gpus": job.gpus} if job.gpus else {}),
    )
    (stream,) = written.streaming_split(1)  # Ray reads checkpoints where it splits or writes, and not otherwise
    for batch in stream.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        yield sum(batch["rows"].to_pylist())


@contextmanager
def _session(workers: int) -> Iterator[None]:
    """Use the cluster that this process is connected to, else the one that RAY_ADDRESS names, else this machine."""
    import ray.data  # sets its loggers up

    if ray.is_initialized():
        yield
        return
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    processors = max(os.cpu_count() or 1, workers + _OTHERS)
    where: dict[str, Any] = {} if "RAY_ADDRESS" in os.environ else {"address": "local", "num_cpus": processors}
    ray.init(logging_level=logging.ERROR, log_to_driver=False, **where)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _checkpointing(id_column: str, path: str) -> Iterator[None]:
    from ray.data import DataContext
    from ray.data.checkpoint import CheckpointConfig

    context = DataContext.get_current()
    before = context.checkpoint_config
    context.checkpoint_config = CheckpointConfig(id_column, path, delete_checkpoint_on_success=False)
    try:
        yield
    finally:
        context.checkpoint_config = before


def _write_checkpoints(job: Job, folder: Path, id_column: str, *, as_json: bool) -> Path:
    """Write the ids that are done, as the part files have them, where Ray looks for them; return the folder."""
    import pyarrow
    from pyarrow import parquet

    folder.mkdir()
    writer: Any = None
    for ids in job.index.done(_IDS):
        table = pyarrow.table({id_column: ids if as_json else [json.loads(key) for key in ids]})
        writer = writer or parquet.ParquetWriter(folder / "done.parquet", table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return folder


def _line_source(job: Job, paths: list[str]) -> Any:
    """Return a source of the lines of JSON Lines, with the id of each."""
    from ray.data.datasource import FileBasedDatasource

    id_column, size = job.folder.id_column, job.batch_rows

    class Lines(FileBasedDatasource):
        def _read_stream(self, f: Any, path: str) -> Iterator[Any]:
            import pyarrow

            for ids, lines in read_lines(Path(path), id_column, size):
                yield pyarrow.table([pyarrow.array(ids), pyarrow.array(lines)], names=list(LINE_COLUMNS))

    return Lines(paths)
