"""Workers of an engine write each table of rows as a part at once, once, and only while their run lasts."""

from pathlib import Path
from typing import Any

import pytest

from llmkit.batch.json_rows import LINE_COLUMNS, read_lines
from llmkit.batch.output_folder import OutputFolder
from llmkit.batch.part_writer import PartWriter
from llmkit.batch.row_files import RowFiles
from llmkit.batch.worker import ChainWorker
from llmkit.errors import RunError
from tests.support.batch_chains import lengths_spec
from tests.support.batch_runs import read_parts, write_rows

pyarrow = pytest.importorskip("pyarrow")

TEXTS = ["one", "", "four"]


@pytest.fixture(params=["jsonl", "parquet"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_rows(tmp_path / f"in.{request.param}", TEXTS)


def table_of(source: Path) -> Any:
    if source.suffix == ".parquet":
        from pyarrow import parquet

        return parquet.read_table(source)
    ((ids, lines),) = read_lines(source, "id", len(TEXTS))
    return pyarrow.table([ids, lines], names=list(LINE_COLUMNS))


def test_rows_are_written_once_and_only_while_the_run_lasts(source: Path, tmp_path: Path) -> None:
    log, output = tmp_path / "log", tmp_path / "out"
    output.mkdir()
    folder = OutputFolder(output, RowFiles.find(source).format, "id")
    table = table_of(source)
    with folder.drafts():
        writer = PartWriter(ChainWorker(lengths_spec(log=str(log))), folder)
        assert writer(table).to_pydict() == {"rows": [3]}
        (batch,) = table.to_batches()
        assert [counted.to_pydict() for counted in writer.map_tables(iter([batch]))] == [{"rows": [3]}]
        assert writer(table.slice(0, 0)).to_pydict() == {"rows": [0]}
    assert sorted(log.read_text().splitlines()) == ["four", "one"]
    rows = read_parts(output)
    assert len(rows) == 3
    assert {row["text"]: row["result"] for row in rows} == {"one": {"length": 3}, "": None, "four": {"length": 4}}
    with pytest.raises(RunError, match="cannot be written"):  # the worker of a run that was killed
        writer(table.slice(1))
    assert read_parts(output) == rows
    assert {path.suffix for path in output.iterdir()} == {source.suffix}
