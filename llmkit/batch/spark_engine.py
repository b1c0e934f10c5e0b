"""Spark as the engine: `mapInArrow` on the rows that are not done, a batch in each partition.

https://spark.apache.org/docs/latest/api/python/reference/pyspark.sql/api/pyspark.sql.DataFrame.mapInArrow.html

A partition is a task, and Hadoop's committer moves the file of a task into the output when the task is done (algorithm
2 of https://hadoop.apache.org/docs/stable/hadoop-mapreduce-client/hadoop-mapreduce-client-core/mapred-default.xml). So
a file is complete or absent, a task that is tried again writes nothing twice, and only running tasks are lost.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llmkit.batch.job import Job
from llmkit.batch.line_worker import ID, LINE, LINE_COLUMNS, LineWorker
from llmkit.batch.worker import OUTPUT_COLUMNS
from llmkit.errors import InputError, RunError

ATTEMPTS = 4  # of a task on this machine; a cluster has its own setting
_COMMITTER = "mapreduce.fileoutputcommitter.algorithm.version"
_RAISED = re.compile(r"^(?!org\.|java\.)([\w.]+(?:Error|Exception)): (.+)$", re.MULTILINE)


def run(job: Job, progress: Callable[[int], None]) -> None:
    """Compute the rows of a job that are left, and write them.

    Raises:
        RunError: Spark gave up; what is written is kept.
    """
    from pyspark.errors import PySparkException

    is_parquet = job.rows.format.ending == ".parquet"
    with _session(job) as spark:
        try:
            (_compute_parquet if is_parquet else _compute_lines)(spark, job)
        except PySparkException as error:
            raise _explained(str(error)) from error


def _explained(text: str) -> Exception:
    """Return llmkit's error that a worker raised, or else one with the reason that Spark gives."""
    raised = _RAISED.findall(text)
    name, reason = raised[-1] if raised else ("", text.strip().splitlines()[0])
    if name == "llmkit.errors.InputError":
        return InputError(reason)
    return RunError(f"Spark gave up ({reason}); what is written is kept, and the same command goes on")


def _compute_parquet(spark: Any, job: Job) -> None:
    from pyspark.sql.types import StringType, StructField, StructType

    rows, id_column = spark.read.parquet(*map(str, job.rows.paths)), job.folder.id_column
    names = rows.columns
    schema = StructType([*rows.schema.fields, *(StructField(name, StringType()) for name in OUTPUT_COLUMNS)])
    if parts := job.folder.parts():
        rows = rows.join(spark.read.parquet(*map(str, parts)).select(id_column), id_column, "left_anti")
    results = rows.select(*names).repartition(_partitions(job)).mapInArrow(job.worker.map_frames, schema)
    _writer(results).parquet(str(job.folder.path.resolve()))


def _compute_lines(spark: Any, job: Job) -> None:
    rows = _lines(spark, job, job.rows.paths)
    if parts := job.folder.parts():
        rows = rows.join(_lines(spark, job, parts).select(ID), ID, "left_anti")
    schema = ", ".join(f"{name} string" for name in LINE_COLUMNS)
    worker = LineWorker(job.worker)
    results = rows.select(*LINE_COLUMNS).repartition(_partitions(job)).mapInArrow(worker.map_tables, schema)
    try:
        _writer(results.select(LINE)).text(str(job.folder.path.resolve()))
    finally:
        job.folder.rename_text_files()


def _partitions(job: Job) -> int:
    return math.ceil(job.index.count_left() / job.batch_rows)


def _lines(spark: Any, job: Job, paths: Sequence[Path]) -> Any:
    """Return the lines of files with the id of each, as JSON."""
    from pyspark.sql import functions

    lines = spark.read.text(list(map(str, paths))).withColumnRenamed("value", LINE)
    name = job.folder.id_column.replace("\\", "\\\\").replace("'", "\\'")
    value = functions.try_variant_get(functions.try_parse_json(LINE), f"$['{name}']", "variant")
    return lines.where(functions.trim(LINE) != "").withColumn(ID, functions.to_json(value))


def _writer(results: Any) -> Any:
    return results.write.mode("append").option(_COMMITTER, "2")


@contextmanager
def _session(job: Job) -> Iterator[Any]:
    """Use the session of this process, or the cluster that spark-submit names, or else this machine."""
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

    if (active := SparkSession.getActiveSession()) is not None:
        yield active
        return
    builder: Any = SparkSession.builder.appName("llmkit batch")
    if not SparkConf().contains("spark.master"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = builder.master(f"local[{job.workers},{ATTEMPTS}]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", str(job.batch_rows)).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()
