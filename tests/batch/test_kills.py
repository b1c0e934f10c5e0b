"""Runs whose processes are killed at any moment lose a batch at most, and write nothing twice."""

import signal
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.support.batch_chains import lengths_spec
from tests.support.batch_runs import finish_run, read_parts, start_run, wait_for, write_rows

pytestmark = pytest.mark.slow

TEXTS = [f"text {number}" for number in range(60)]
BATCH = 4


@pytest.fixture(params=["jsonl", "parquet"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return write_rows(tmp_path / f"in.{request.param}", TEXTS)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_driver_is_killed(source, tmp_path, workers):
    output, log = tmp_path / "out", tmp_path / "log"
    spec = lengths_spec(log=str(log), seconds=0.01)
    process = start_run(spec, source, output, workers=workers)
    wait_for(log, 25, process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    finish_run(process)
    assert psutil.wait_procs(children, timeout=60)[1] == [], "workers end with the driver"
    computed = log.read_text().splitlines()
    assert finish_run(start_run(spec, source, output, workers=workers)) == ""
    check(output, log, computed, lost=BATCH * workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_is_killed(source, tmp_path, workers):
    output, log = tmp_path / "out", tmp_path / "log"
    spec = lengths_spec(log=str(log), kill_at="text 30", once=str(tmp_path / "once"))
    error = finish_run(start_run(spec, source, output, workers=workers))
    if workers == 2:
        assert "a worker process was killed, as the system does when memory runs out; what is done is kept" in error
    computed = log.read_text().splitlines()
    assert finish_run(start_run(spec, source, output, workers=workers)) == ""
    check(output, log, computed, lost=BATCH * workers)


def check(output: Path, log: Path, before: list[str], lost: int) -> None:
    """Check that each row was written once, and that at most so many rows were computed twice."""
    rows = read_parts(output)
    assert [row["text"] for row in sorted(rows, key=lambda row: row["id"])] == TEXTS
    assert all(row["result"] == {"length": len(row["text"])} for row in rows)
    counts = Counter(log.read_text().splitlines())
    assert set(counts) == set(TEXTS)
    twice = [text for text, count in counts.items() if count > 1]
    assert set(twice) <= set(before)
    assert len(twice) <= lost
