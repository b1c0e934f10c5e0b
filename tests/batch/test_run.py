"""Runs of the local engine in this process: what they write, how they go on, and what they refuse."""

import errno
import json
from pathlib import Path

import pytest

from llmkit.batch import ChainSpec, run_batch
from llmkit.batch.json_rows import JsonJournal
from llmkit.errors import InputError, RunError
from tests.support.batch_chains import lengths_spec
from tests.support.batch_runs import read_parts, without_meta, write_rows

TEXTS = [f"text {number}" for number in range(50)]


@pytest.fixture(params=["jsonl", "parquet"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return write_rows(tmp_path / f"in.{request.param}", TEXTS)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_each_row_is_written_with_its_columns_in_order(source, output):
    seen: list[tuple[int, int]] = []
    summary = run_batch(lengths_spec(), source, output, batch_rows=8, progress=lambda *counts: seen.append(counts))
    rows = read_parts(output)
    assert [(row["id"], row["text"], row["extra"]) for row in rows] == [
        (number, text, [number, None]) for number, text in enumerate(TEXTS)
    ]
    assert [row["result"] for row in rows] == [{"length": len(text)} for text in TEXTS]
    assert {row["error"] for row in rows} == {None}
    manifest = json.loads((output / "_manifest.json").read_text())
    assert {row["meta"]["fingerprint"] for row in rows} == {manifest["fingerprint"]}
    assert ChainSpec(**manifest["spec"]) == lengths_spec()
    assert (summary.rows, summary.computed, summary.failed) == (50, 50, 0)
    assert (seen[0], seen[-1]) == ((0, 50), (50, 50))
    assert [path.suffix for path in output.glob("part-*")] == [source.suffix]
    assert {path.name for path in output.iterdir()} <= {"_manifest.json", ".lock", f"part-00000{source.suffix}"}


def test_the_same_call_goes_on_and_computes_nothing_twice(source, output, tmp_path):
    log = tmp_path / "log"
    spec = lengths_spec(log=str(log), memory="text 30")
    run_batch(spec, source, output, batch_rows=8)
    write_rows(source, [*TEXTS, "new"])
    summary = run_batch(spec, source, output, batch_rows=8)
    assert (summary.rows, summary.computed, summary.failed) == (51, 1, 1)
    assert sorted(log.read_text().splitlines()) == sorted({*TEXTS, "new"} - {"text 30"})
    assert [row["id"] for row in read_parts(output)] == list(range(51))


def test_failed_rows_are_computed_again_if_asked_for(source, output, tmp_path):
    gone = tmp_path / "gone"
    spec = lengths_spec(memory_until=str(gone), memory="text 30")
    summary = run_batch(spec, source, output)
    error = {"kind": "MemoryError", "message": "no memory is left"}
    assert (summary.failed, summary.first_failed, json.loads(summary.first_error)) == (1, "30", error)
    assert run_batch(spec, source, output).computed == 0
    gone.touch()
    summary = run_batch(spec, source, output, retry_failed=True)
    assert (summary.rows, summary.computed, summary.failed) == (50, 1, 0)
    assert [row["result"] for row in without_meta(read_parts(output))] == [{"length": len(text)} for text in TEXTS]


def test_a_bad_row_is_a_row_with_an_error(source, output):
    write_rows(source, ["one", "", None, "four"])
    summary = run_batch(lengths_spec(), source, output)
    rows = read_parts(output)
    assert [row["result"] for row in rows] == [{"length": 3}, None, None, {"length": 4}]
    assert {row["error"]["kind"] for row in rows[1:3]} == {"InputError"}
    assert (summary.failed, summary.first_failed) == (2, "1")


def test_results_of_another_run_are_refused_with_what_differs(source, output):
    run_batch(lengths_spec(), source, output)
    before = {path: path.read_bytes() for path in output.iterdir() if path.is_file()}
    with pytest.raises(InputError, match=r"not mixed \(seconds is 0.001, and was not set\): run the command"):
        run_batch(lengths_spec(seconds=0.001), source, output)
    with pytest.raises(InputError, match=r'not mixed \(id_column is "text", and was "id"\)'):
        run_batch(lengths_spec(), source, output, id_column="text")
    assert {path: path.read_bytes() for path in output.iterdir() if path.is_file()} == before


def test_a_folder_of_something_else_is_refused(source, output):
    output.mkdir()
    (output / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="exists, and is no output of llmkit batch: name another folder"):
        run_batch(lengths_spec(), source, output)
    assert [path.name for path in output.iterdir()] == ["mine.txt"]


def test_a_second_run_at_the_same_time_is_refused(source, output):
    def run_again(done: int, total: int) -> None:
        with pytest.raises(InputError, match="another run writes to"):
            run_batch(lengths_spec(), source, output)

    assert run_batch(lengths_spec(), source, output, progress=run_again).rows == 50


def test_files_of_a_folder_are_read_in_order_and_may_have_other_columns(source, tmp_path, output):
    folder = tmp_path / "in"
    folder.mkdir()
    write_rows(folder / f"b{source.suffix}", ["three"], first_id=2)
    write_rows(folder / f"a{source.suffix}", ["one", "two"])
    (folder / "_SUCCESS").touch()
    run_batch(lengths_spec(), folder, output)
    assert [(row["id"], row["text"]) for row in read_parts(output)] == [(0, "one"), (1, "two"), (2, "three")]


def test_parts_have_a_limit(source, output, monkeypatch):
    monkeypatch.setattr("llmkit.batch.output_folder.ROWS_PER_PART", 20)
    run_batch(lengths_spec(), source, output, batch_rows=10)
    assert len(read_parts(output)) == 50
    assert len(list(output.glob("part-*"))) == 3


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            ['{"id": 1, "text": "a"}', '{"id": 1, "text": "b"}'],
            r"row 1 of .* and row 2 of .* have the same id, 1",
        ),
        (['{"id": 1, "text": "a"}', '{"text": "b"}'], "has no column 'id', but text: name the columns"),
        (['{"id": 1, "text": "a"}', "text"], r'line 2 of .* is not a JSON object, such as \{"id": 7'),
        (['{"id": null, "text": "a"}'], "row 1 of .* has the id None, but must have a text or a whole number"),
        (['{"id": 1.5, "text": "a"}'], "has the id 1.5"),
        (['{"id": 1, "body": "a"}'], "has no column 'text', but id, body: name the columns with --id-column"),
        (['{"id": 1, "text": "a", "meta": 2}'], "has a column 'meta', which would be written over: rename it"),
    ],
)
def test_input_that_cannot_be_used_is_refused_before_any_work(tmp_path, output, lines, says):
    source, log = tmp_path / "in.jsonl", tmp_path / "log"
    source.write_text("\n".join(lines))
    with pytest.raises(InputError, match=says):
        run_batch(lengths_spec(log=str(log)), source, output)
    assert not log.exists()
    assert read_parts(output) == []


def test_ids_of_two_files_must_differ_too(source, tmp_path, output):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "ab":
        write_rows(folder / f"{name}{source.suffix}", TEXTS)
    with pytest.raises(InputError, match=r"row 1 of .*a\..* and row 1 of .*b\..* have the same id, 0"):
        run_batch(lengths_spec(), folder, output)


@pytest.mark.parametrize(
    ("name", "says"),
    [("none.jsonl", "there is no such file"), ("in.csv", "in a format that is not read: give .jsonl or .parquet")],
)
def test_files_that_cannot_be_read_are_refused(tmp_path, output, name, says):
    (tmp_path / "in.csv").touch()
    with pytest.raises(InputError, match=says):
        run_batch(lengths_spec(), tmp_path / name, output)
    assert not output.exists()


def test_a_full_disk_keeps_what_is_done(tmp_path, output, monkeypatch):
    source = write_rows(tmp_path / "in.jsonl", TEXTS)
    append = JsonJournal.append

    def fill(self, block, outcomes):
        if 20 in map(json.loads, block.ids):
            self._file.write(b'{"id": 20, "te')  # the part of the rows that had space
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, block, outcomes)

    with monkeypatch.context() as patch:
        patch.setattr(JsonJournal, "append", fill)
        with pytest.raises(RunError, match="out cannot be written: No space left on device; what is done is kept"):
            run_batch(lengths_spec(), source, output, batch_rows=4)
    summary = run_batch(lengths_spec(), source, output, batch_rows=4)
    assert (summary.rows, summary.computed) == (50, 30)
    assert [row["id"] for row in read_parts(output)] == list(range(50))


def test_blocks_are_read_as_they_are_needed(tmp_path, output):
    source = write_rows(tmp_path / "in.jsonl", TEXTS)
    log = tmp_path / "log"
    counts: list[tuple[int, int]] = []

    def count(done: int, total: int) -> None:
        counts.append((done, len(log.read_text().splitlines()) if log.exists() else 0))

    run_batch(lengths_spec(log=str(log)), source, output, batch_rows=5, progress=count)
    assert counts == [(done, done) for done in range(0, 51, 5)]
