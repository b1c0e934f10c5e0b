"""`--lines --output` in other formats than JSON Lines: a file when all is done, and another one until then."""

import csv
import io
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from llmkit.cli.output import Destination
from llmkit.errors import InputError, RunError


class Worker:
    """Finds one entity in each text, and fails on `bad`."""

    fingerprint = "one"

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.breaks = False

    def results(self, texts: Sequence[str]) -> list[Any]:
        from llmkit.chains import Entities, Entity

        if self.breaks and self.seen:
            raise KeyboardInterrupt
        self.seen += texts
        return [
            InputError("it is bad")
            if text == "bad"
            else Entities(text=text, entities=(Entity(text=text, label="x", start=0, end=len(text), score=0.5),))
            for text in texts
        ]


def run(source: Any, output: Any, worker: Worker) -> None:
    destination = Destination.choose(output, source, as_json=False, lines=True)
    destination.run_lines("entities", str(source), worker)


@pytest.mark.parametrize("ending", ["csv", "tsv", "md", "json", "txt"])
def test_lines_become_a_table_when_all_are_done(tmp_path, ending):
    source, output = tmp_path / "in.txt", tmp_path / f"out.{ending}"
    source.write_text("=Ada\nbad\nBob\n")
    with pytest.raises(
        RunError, match=r"1 of 3 documents failed, first line .*: it is bad; the others are in "
    ) as raised:
        run(source, output, Worker())
    assert str(raised.value).endswith(f"/out.{ending}")
    text = output.read_text(encoding="utf-8")
    match ending:
        case "csv" | "tsv":
            rows = list(csv.DictReader(io.StringIO(text), delimiter="\t" if ending == "tsv" else ","))
            assert [(row["line"], row["text"], row["error"]) for row in rows] == [
                ("1", "'=Ada", ""),
                ("2", "", "it is bad"),
                ("3", "Bob", ""),
            ]
        case "json":
            assert [(row["line"], row.get("error")) for row in json.loads(text)] == [
                (1, None),
                (2, "it is bad"),
                (3, None),
            ]
            assert "key" not in json.loads(text)[0]
        case "md":
            assert len(text.splitlines()) == 5
        case "txt":
            assert text == "=Ada (x)\nerror: it is bad\nBob (x)\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", output.name]


def run_until_it_breaks(folder):
    """Interrupt a run over 20 lines; return its input, its output and the worker."""
    source, output, worker = folder / "in.txt", folder / "out.csv", Worker()
    source.write_text("".join(f"text {number}\n" for number in range(20)))
    worker.breaks = True
    with pytest.raises(KeyboardInterrupt):
        run(source, output, worker)
    return source, output, worker


def test_an_interrupted_table_continues(tmp_path):
    source, output, worker = run_until_it_breaks(tmp_path)
    assert not output.exists()
    done = tmp_path / "out.csv.partial.jsonl"
    assert len(done.read_text().splitlines()) == len(worker.seen) == 8
    rest = Worker()
    run(source, output, rest)
    assert worker.seen + rest.seen == [f"text {number}" for number in range(20)]
    with output.open(encoding="utf-8", newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == worker.seen + rest.seen
    assert not done.exists()
    with pytest.raises(InputError, match=r"out\.csv exists already: name another file, or remove it"):
        run(source, output, Worker())


def test_empty_input_gives_an_empty_table(tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("")
    run(source, tmp_path / "out.json", Worker())
    run(source, tmp_path / "out.csv", Worker())
    assert json.loads((tmp_path / "out.json").read_text()) == []
    assert (tmp_path / "out.csv").read_text() == "text,label,start,end,score,calibrated,method\n"


def linked(done, other):
    done.symlink_to(other)


def dangling(done, other):
    done.symlink_to(other.with_name("new"))


def hard_link(done, other):
    other.write_text("")
    os.link(other, done)


def pipe(done, other):
    os.mkfifo(done)


def device(done, other):
    done.symlink_to("/dev/null")


@pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")
@pytest.mark.parametrize("make", [linked, dangling, hard_link, pipe, device])
def test_the_file_for_the_time_until_then_is_no_link_and_no_device(tmp_path, make):
    source, output, other = tmp_path / "in.txt", tmp_path / "out.csv", tmp_path / "other"
    source.write_text("Ada\n")
    other.write_text("mine")
    done = tmp_path / "out.csv.partial.jsonl"
    make(done, other)
    before, worker = other.read_text(), Worker()
    with pytest.raises(InputError, match=r"out\.csv\.partial\.jsonl (is a |cannot be written: it is a )(link|device)"):
        run(source, output, worker)
    assert other.read_text() == before
    assert not worker.seen
    assert not output.exists()
    assert not (tmp_path / "new").exists()
    assert os.path.lexists(done)


def test_errors_name_the_file_that_is_there(tmp_path):
    source, output, _ = run_until_it_breaks(tmp_path)
    source.write_text("other\n" * 20)
    with pytest.raises(InputError, match=r"the 8 lines of .*/out\.csv\.partial\.jsonl are of another input") as raised:
        run(source, output, Worker())
    assert (tmp_path / "out.csv.partial.jsonl").exists(), raised
    source.write_text("text 0\n")
    with pytest.raises(InputError, match=r"/out\.csv\.partial\.jsonl has 8 lines, more than the input") as raised:
        run(source, output, Worker())
    assert not output.exists(), raised
