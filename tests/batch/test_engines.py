"""Ray and Spark, where they are installed: the rows of the local engine, also after kills."""

import json
import signal
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest

from llmkit.batch import ChainSpec, run_batch
from llmkit.errors import InputError
from tests.support.batch_chains import lengths_spec
from tests.support.batch_runs import finish_run, read_parts, start_run, wait_for, without_meta, write_rows

LIBRARIES: dict[Any, str] = {"ray": "ray", "spark": "pyspark"}
TEXTS = [f"text {number}" for number in range(48)]
BATCH = 4

needs_engines = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(library) is None, reason=f"needs {library}"))
    for name, library in LIBRARIES.items()
]
engines = pytest.mark.parametrize("engine", needs_engines)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")  # its own use of its own settings
endings = pytest.mark.parametrize("ending", ["jsonl", "parquet"])


@pytest.mark.parametrize("engine", LIBRARIES)
def test_an_engine_that_is_not_installed_is_refused(engine, tmp_path, monkeypatch):
    monkeypatch.setattr("llmkit.batch.run.find_spec", lambda name: None)
    source = write_rows(tmp_path / "in.jsonl", TEXTS)
    with pytest.raises(InputError, match=rf'python -m pip install "llmkit\[{engine}\]", or use the local engine'):
        run_batch(lengths_spec(), source, tmp_path / "out", engine=engine)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@engines
@endings
def test_rows_equal_those_of_the_local_engine(engine: Literal["ray", "spark"], ending, tmp_path):
    source = write_rows(tmp_path / f"in.{ending}", [*TEXTS, "", None])
    once = tmp_path / "once"
    spec = lengths_spec(memory="text 7", memory_until=str(once))
    run_batch(spec, source, tmp_path / "local", batch_rows=BATCH)
    summary = run_batch(spec, source, tmp_path / "out", engine=engine, workers=2, batch_rows=BATCH)
    expected = without_meta(read_parts(tmp_path / "local"))
    assert without_meta(read_parts(tmp_path / "out")) == expected
    assert (summary.rows, summary.computed, summary.failed) == (50, 50, 3)
    with pytest.raises(InputError, match=f'engine is "local", and was "{engine}"'):
        run_batch(spec, source, tmp_path / "out")
    once.touch()
    write_rows(source, [*TEXTS, "", None, "new"])
    summary = run_batch(spec, source, tmp_path / "out", engine=engine, batch_rows=BATCH, retry_failed=True)
    assert (summary.rows, summary.computed, summary.failed) == (51, 4, 2)
    rows = without_meta(read_parts(tmp_path / "out"))
    assert [row["text"] for row in rows] == [*TEXTS, "", None, "new"]
    assert rows[7]["result"] == {"length": 6}


@pytest.mark.slow
@engines
@endings
def test_a_killed_driver_loses_a_batch_of_each_worker(engine, ending, tmp_path):
    source, output, log = write_rows(tmp_path / f"in.{ending}", TEXTS), tmp_path / "out", tmp_path / "log"
    spec = lengths_spec(log=str(log), seconds=0.2)
    process = start_run(spec, source, output, engine=engine, workers=2)
    wait_for(log, 20, process)
    others = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    finish_run(process)
    psutil.wait_procs(others, timeout=60)
    assert finish_run(start_run(spec, source, output, engine=engine, workers=2)) == ""
    check(output, log, lost=2 * BATCH)


@pytest.mark.slow
@engines
def test_a_killed_worker_is_replaced(engine, tmp_path):
    source, output, log = write_rows(tmp_path / "in.parquet", TEXTS), tmp_path / "out", tmp_path / "log"
    spec = lengths_spec(log=str(log), kill_at="text 30", once=str(tmp_path / "once"))
    assert finish_run(start_run(spec, source, output, engine=engine, workers=2)) == ""
    assert (tmp_path / "once").exists()
    check(output, log, lost=BATCH)


def check(output: Path, log: Path, lost: int) -> None:
    """Check that each row was written once, and that at most so many rows were computed twice."""
    rows = without_meta(read_parts(output))
    assert [row["text"] for row in rows] == TEXTS
    assert [row["result"] for row in rows] == [{"length": len(text)} for text in TEXTS]
    counts = Counter(log.read_text().splitlines())
    assert set(counts) == set(TEXTS)
    assert sum(counts.values()) <= len(TEXTS) + lost


@pytest.mark.slow
@engines
@pytest.mark.usefixtures("default_model_folder")
def test_classifications_in_float32_are_equal_to_the_bit(engine, tmp_path):
    texts = ["The match ended 3 to 2.", "The vote is on Monday.", "", "The phone has a new chip.", "word " * 300]
    source = write_rows(tmp_path / "in.parquet", texts * 2)
    labels = {"labels": ["sports", "politics", "technology"]}
    spec = ChainSpec("classify", labels, dtype="float32", device="cpu")
    run_batch(spec, source, tmp_path / "local", batch_rows=10)
    run_batch(spec, source, tmp_path / "out", engine=engine, workers=2, batch_rows=3)
    local, found = (without_meta(read_parts(tmp_path / name)) for name in ("local", "out"))
    assert json.dumps(found) == json.dumps(local)
    assert [row["result"] is None for row in found] == [not text for text in texts * 2]


@pytest.mark.slow
def test_spark_maps_frames(tmp_path):
    pytest.importorskip("pyspark")
    from pyspark.sql import SparkSession

    from llmkit.batch import ChainWorker

    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        frame = spark.createDataFrame([(1, "one"), (2, "four")], "id int, text string")
        schema = "id int, text string, result string, error string, meta string"
        rows = frame.mapInPandas(ChainWorker(lengths_spec()).map_frames, schema).collect()
    finally:
        spark.stop()
    assert sorted((row["id"], row["result"], row["error"]) for row in rows) == [
        (1, '{"length": 3}', None),
        (2, '{"length": 4}', None),
    ]
