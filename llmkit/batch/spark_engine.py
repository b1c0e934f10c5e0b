"""Spark as the engine: `mapInArrow` on the rows that are not done, a batch in each partition.

https://spark.apache.org/docs/latest/api/python/reference/pyspark.sql/api/pyspark.sql.DataFrame.mapInArrow.html

A partition is a task, which writes a part file (`PartWriter`). A task that is tried again writes nothing twice, and
only running tasks are lost.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llmkit.batch.engine_errors import engine_error
from llmkit.batch.job import Job
from llmkit.batch.json_rows import ID, LINE
from llmkit.batch.part_writer import PartWriter

ATTEMPTS = 4  # of a task on this machine; a cluster has its own setting


def run(job: Job, progress: Callable[[int], None]) -> None:
    """Compute the rows of a job that are left, and write them.

    Raises:
        RunError: Spark gave up; what is written is kept.
    """
    from pyspark.errors import PySparkException

    with job.folder.drafts(), _session(job) as spark:
        try:
            rows = _rows_left(spark, job)
            partitions = math.ceil(job.index.count_left() / job.batch_rows)
            writer = PartWriter(job.worker, job.folder)
            written = rows.repartition(partitions).mapInArrow(writer.map_tables, "rows long")
            written.write.format("noop").mode("overwrite").save()
        except PySparkException as error:
            raise engine_error("Spark", str(error)) from error


def _rows_left(spark: Any, job: Job) -> Any:
    """Return the rows that are not done, or their lines."""
    paths, parts = job.rows.paths, job.folder.parts()
    if job.rows.format.ending == ".parquet":
        id_column = job.folder.id_column
        rows = spark.read.parquet(*map(str, paths))
        done = spark.read.parquet(*map(str, parts)) if parts else None
    else:
        id_column = ID
        rows, done = _lines(spark, job, paths), _lines(spark, job, parts) if parts else None
    if done is None:
        return rows
    return rows.join(done.select(id_column), id_column, "left_anti").select(*rows.columns)


def _lines(spark: Any, job: Job, paths: Sequence[Path]) -> Any:
    """Return the lines of files with the id of each, as JSON."""
    from pyspark.sql import functions

    lines = spark.read.text(list(map(str, paths))).withColumnRenamed("value", LINE)
    name = job.folder.id_column.replace("\\", "\\\\").replace("'", "\\'")
    value = functions.try_variant_get(functions.try_parse_json(LINE), f"$['{name}']", "variant")
    return lines.where(functions.trim(LINE) != "").withColumn(ID, functions.to_json(value))


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
