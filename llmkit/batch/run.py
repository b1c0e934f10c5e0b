"""Run a specification over files of rows: what `llmkit batch` does."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from llmkit.batch.fingerprint import identify
from llmkit.batch.id_index import IdIndex
from llmkit.batch.job import Job
from llmkit.batch.output_folder import OutputFolder
from llmkit.batch.row_files import RowFiles
from llmkit.batch.spec import ChainSpec
from llmkit.batch.worker import ChainWorker
from llmkit.chains.inputs import validate_positive
from llmkit.errors import InputError

Engine = Literal["local", "ray", "spark"]
BATCH_ROWS = 32
_LIBRARIES = {"local": (), "ray": ("ray", "pyarrow"), "spark": ("pyspark", "pandas", "pyarrow")}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        rows: how many the output has.
        computed: how many of them this run computed.
        failed: how many have an error.
        first_failed: the id of the first that has one, as JSON.
        first_error: that error, as JSON.
    """

    rows: int
    computed: int
    failed: int = 0
    first_failed: str = ""
    first_error: str = ""


def run_batch(
    spec: ChainSpec,
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    engine: Engine = "local",
    id_column: str = "id",
    workers: int = 1,
    batch_rows: int = BATCH_ROWS,
    gpus: float = 0,
    retry_failed: bool = False,
    progress: Progress = lambda done, total: None,
) -> Summary:
    """Run a chain on all rows of an input that the output does not have yet.

    Args:
        spec: what is computed.
        source: a file of JSON Lines or Parquet, or a folder of such files.
        output: a folder; the same call goes on with it after an interruption.
        engine: "local", or "ray" or "spark", which are extras: `llmkit[ray]`, `llmkit[spark]`.
        id_column: the column that has an id of its own for each row.
        workers: how many processes compute, each with its own model.
        batch_rows: rows that are computed and written together: what an interruption may cost each worker.
        gpus: of each worker of Ray.
        retry_failed: compute rows that have an error again.
        progress: is called with the number of rows that are done, and of all.

    Raises:
        InputError: the input cannot be read, ids are missing or not unique, or the output is of another run.
        RunError: the output cannot be written, or a worker was killed; what is done is kept.
    """
    validate_positive(workers, "workers")
    validate_positive(batch_rows, "batch_rows")
    module, rows = _require(engine), RowFiles.find(Path(source))
    folder = OutputFolder(Path(output), rows.format, id_column)
    if folder.path.resolve() == Path(source).resolve():
        raise InputError(f"{output} is the input: name another folder for --output")
    with folder.opened():
        with IdIndex.create(folder.path / ".ids.sqlite") as index:
            total, identity = index.add_all(rows, id_column, spec.columns), identify(spec)
            folder.check_manifest(spec, identity, engine)
            before = _find_done(folder, index, retry_failed)
            job = Job(rows, folder, index, ChainWorker(spec, identity), workers, batch_rows, gpus)
            progress(before, total)
            if before < total:
                module.run(job, lambda done: progress(done, total))
        folder.finish_part()
        return _summarize(folder, before)


def _find_done(folder: OutputFolder, index: IdIndex, retry_failed: bool) -> int:
    """Mark the rows of the input that the output has; return how many there are."""
    if retry_failed:
        folder.remove_errors()
    for found in folder.read_status():
        index.mark_done(key for key, _ in found)
    return index.count_done()


def _require(engine: str) -> Any:
    """Return the module of an engine; raise `InputError` if there is none, or its library is not installed."""
    if engine not in get_args(Engine):
        raise InputError(f"engine is {engine!r}, but must be one of {', '.join(get_args(Engine))}")
    for library in _LIBRARIES[engine]:
        if find_spec(library) is None:
            advice = f'python -m pip install "llmkit[{engine}]"'
            raise InputError(f"the engine {engine} needs {library}: {advice}, or use the local engine")
    return import_module(f"llmkit.batch.{engine}_engine")


def _summarize(folder: OutputFolder, before: int) -> Summary:
    rows = failed = 0
    first = ("", "")
    for found in folder.read_status():
        rows += len(found)
        errors = [(key, error) for key, error in found if error]
        failed += len(errors)
        first = first if first[0] or not errors else errors[0]
    return Summary(rows, rows - before, failed, *first)
