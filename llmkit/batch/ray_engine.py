"""Ray Data as the engine: actors that each build the chain once, and Ray's own checkpoints.

https://docs.ray.io/en/latest/data/api/doc/ray.data.Dataset.map_batches.html
https://docs.ray.io/en/latest/data/api/doc/ray.data.checkpoint.interfaces.CheckpointConfig.html

A file is written in two phases: Ray notes the ids that it will have, writes it, and then commits the note. What was
noted and not committed when a run died is removed by the next one (`OutputFolder`). The ids that are done are read from
the part files, and Ray leaves their rows out as it reads.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llmkit.batch.job import Job
from llmkit.batch.json_rows import read_lines
from llmkit.batch.line_worker import LINE, LINE_COLUMNS, LineWorker
from llmkit.batch.output_folder import CHECKPOINTS
from llmkit.batch.worker import ChainWorker
from llmkit.errors import InputError, RunError

_IDS = 100_000  # that are written together
_OTHERS = 2  # tasks that read and write beside the workers


def run(job: Job, progress: Callable[[int], None]) -> None:
    """Compute the rows of a job that are left, and write them.

    Raises:
        RunError: Ray gave up; what is written is kept.
    """
    is_parquet = job.rows.format.ending == ".parquet"
    id_column = job.folder.id_column if is_parquet else LINE_COLUMNS[0]
    checkpoints = _write_checkpoints(job, id_column, as_json=not is_parquet)
    with _session(job.workers), _checkpointing(id_column, str(checkpoints)):
        try:
            (_compute_parquet if is_parquet else _compute_lines)(job)
        except Exception as error:  # Ray has errors of its own for each that a worker raises
            raise _explained(error) from error


def _compute_parquet(job: Job) -> None:
    import ray

    rows = ray.data.read_parquet([str(path.resolve()) for path in job.rows.paths])
    results = _map(job, rows, ChainWorker, job.worker.spec, job.worker.identity)
    results.write_parquet(str(job.folder.path.resolve()), filename_provider=_names(".parquet"))


def _compute_lines(job: Job) -> None:
    import ray

    rows = ray.data.read_datasource(_line_source(job))
    results = _map(job, rows, LineWorker, job.worker)
    results.write_datasink(_line_sink(str(job.folder.path.resolve()), _names(".jsonl")))


def _map(job: Job, rows: Any, worker: Any, *arguments: Any) -> Any:
    """Return the rows with what a worker adds: an actor for each, and a block and a file for each batch."""
    from ray.data import ActorPoolStrategy

    return rows.repartition(target_num_rows_per_block=job.batch_rows).map_batches(
        worker,
        fn_constructor_args=arguments,
        batch_format="pyarrow",
        batch_size=job.batch_rows,
        compute=ActorPoolStrategy(size=job.workers),
        num_cpus=1,
        **({"num_gpus": job.gpus} if job.gpus else {}),
    )


def _explained(error: BaseException) -> Exception:
    """Return llmkit's error that a worker raised, or else one with Ray's reason."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):
            return cause
        cause = cause.__cause__ or cause.__context__
    reason = str(error).strip().splitlines()[-1]
    return RunError(f"Ray gave up ({reason}); what is written is kept, and the same command goes on")


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


def _write_checkpoints(job: Job, id_column: str, *, as_json: bool) -> Path:
    """Write the ids that are done, as the part files have them, where Ray looks for them; return the folder."""
    import pyarrow
    from pyarrow import parquet

    folder = (job.folder.path / CHECKPOINTS).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    writer: Any = None
    for ids in job.index.done(_IDS):
        table = pyarrow.table({id_column: ids if as_json else [json.loads(key) for key in ids]})
        writer = writer or parquet.ParquetWriter(folder / "done.parquet", table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return folder


def _names(ending: str) -> Any:
    """Return what names part files; the write's own id is in the names, so that no run overwrites another's files."""
    from ray.data.datasource import FilenameProvider

    class Names(FilenameProvider):
        def get_filename_for_task(self, write_uuid: str, task_index: int) -> str:
            return f"part-{write_uuid}-{task_index:06}{ending}"

    return Names(file_format=ending.removeprefix("."))


def _line_source(job: Job) -> Any:
    """Return a source of the lines of JSON Lines, with the id of each."""
    from ray.data.datasource import FileBasedDatasource

    id_column, size = job.folder.id_column, job.batch_rows

    class Lines(FileBasedDatasource):
        def _read_stream(self, f: Any, path: str) -> Iterator[Any]:
            import pyarrow

            for ids, lines in read_lines(Path(path), id_column, size):
                yield pyarrow.table([pyarrow.array(ids), pyarrow.array(lines)], names=list(LINE_COLUMNS))

    return Lines([str(path.resolve()) for path in job.rows.paths])


def _line_sink(path: str, names: Any) -> Any:
    """Return what writes lines."""
    from ray.data.datasource import BlockBasedFileDatasink

    class LineSink(BlockBasedFileDatasink):
        def write_block_to_file(self, block: Any, file: Any) -> None:
            for line in block.to_arrow()[LINE].to_pylist():
                file.write(f"{line}\n".encode())

    return LineSink(path, filename_provider=names)
