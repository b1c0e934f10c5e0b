import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel

from llmkit.cli import jsonl_batch
from llmkit.errors import InputError, RunError


class Length(BaseModel):
    length: int


class Worker:
    """Measures texts; it notes what it was given, fails on some, and is interrupted at one."""

    fingerprint = ""

    def __init__(self, fails_on: str = "bad", breaks_at: str = "") -> None:
        self.fails_on, self.breaks_at, self.calls = fails_on, breaks_at, 0
        self.seen: list[str] = []

    def results(self, texts: Sequence[str]) -> list[Length | Exception]:
        self.calls += 1
        if self.breaks_at in texts and self.breaks_at:
            raise KeyboardInterrupt
        self.seen += texts
        return [InputError("it is\nbad") if text == self.fails_on else Length(length=len(text)) for text in texts]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("".join(f"text {number}\n" for number in range(40)), encoding="utf-8")
    return path


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.jsonl"


def run(source: Path, output: Path | None, worker: Worker, **settings: object) -> list[dict[str, object]]:
    worker.fingerprint = str(settings)
    jsonl_batch.run(str(source), output, worker)
    return read(output) if output else []


def read(output: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


def test_one_object_a_line_in_order(source, capfdbinary):
    worker = Worker()
    run(source, None, worker)
    out, err = capfdbinary.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert rows == [{"line": number, "length": len(f"text {number - 1}")} for number in range(1, 41)]
    assert err == b""


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_other_encodings_with_a_mark_give_the_same(source, output, encoding):
    run(source, output, Worker())
    expected = output.read_bytes()
    source.write_text(source.read_text(encoding="utf-8"), encoding=encoding)
    run(source, output, worker := Worker())  # goes on with the same run, of which nothing is left
    assert (output.read_bytes(), worker.seen) == (expected, [])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_is_written_to_and_not_read(source):
    with pytest.raises(RunError, match="/dev/full cannot be written: No space left on device"):
        run(source, Path("/dev/full"), Worker())
    run(source, Path("/dev/null"), Worker())


def test_utf_16_that_is_cut_is_an_error(source, output):
    source.write_bytes("text 0\ntext 1\n".encode("utf-16")[:-1])
    with pytest.raises(InputError, match="UTF-16 text, but damaged or cut"):
        run(source, output, Worker())


def test_an_invalid_row_has_an_error_instead_of_a_result(source, output):
    strange = [b"\n", b"bad\n", b"\xff\n", b"a\0\n", b'{"text": "x\\r\\ny", "id": 7}\n', b'{"txt": 1}\n', b"{a brace\n"]
    source.write_bytes(b"".join([b"\xef\xbb\xbffirst\r\n", *strange, b"last"]))
    worker = Worker()
    with pytest.raises(RunError, match=r"6 of 9 documents failed, first line \d: the line is empty"):
        run(source, output, worker)
    rows = read(output)
    assert [row.get("error") for row in rows] == [
        None,
        "the line is empty",
        "it is bad",
        "the line is not UTF-8 text: byte 1 is 0xff",
        "the line is not text: it has NUL characters",
        None,
        'the line is a JSON object without a "text"',
        'the line begins with { but is not a JSON object: write a text as {"text": …}',
        None,
    ]
    assert worker.seen == ["first", "bad", "x\ny", "last"]
    assert (rows[5]["id"], rows[5]["length"]) == (7, 3)


def test_an_interrupted_run_is_continued(source, output, capsys):
    whole = run(source, output.with_name("whole.jsonl"), Worker(), a=1)
    broken = Worker(breaks_at="text 20")
    with pytest.raises(KeyboardInterrupt):
        run(source, output, broken, a=1)
    assert capsys.readouterr().err == f"note: {len(broken.seen)} documents are done; the same command continues\n"
    assert read(output) == whole[: len(broken.seen)]
    assert 0 < len(broken.seen) < 40
    rest = Worker()
    assert run(source, output, rest, a=1) == whole
    assert broken.seen + rest.seen == [f"text {number}" for number in range(40)]


@pytest.mark.parametrize("cut", [1, 5, 12, 40])
def test_a_line_that_was_written_in_part_is_written_again(source, output, cut):
    whole = run(source, output, Worker())
    text = output.read_bytes()
    lines_ = text.splitlines(keepends=True)
    output.write_bytes(b"".join(lines_[:17]) + lines_[17][:cut])
    worker = Worker()
    assert run(source, output, worker) == whole
    assert worker.seen[0] == "text 17"
    assert output.read_bytes() == text


def test_completed_rows_are_not_computed_again_and_need_no_model(source, output):
    run(source, output, Worker())
    worker = Worker()
    run(source, output, worker)
    assert worker.calls == 0
    with source.open("a", encoding="utf-8") as file:
        file.write("one more\n")
    assert len(run(source, output, worker)) == 41
    assert worker.seen == ["one more"]


def test_another_output_is_refused_and_not_changed(source, output):
    run(source, output, Worker(), a=1)
    before = output.read_bytes()
    with pytest.raises(InputError, match=r"the 40 lines of --output are of another input or other options"):
        run(source, output, Worker(), a=2)
    shorter = source.with_name("shorter.txt")
    shorter.write_bytes(b"text 0\n")
    with pytest.raises(InputError, match="has 40 lines, more than the input"):
        run(shorter, output, Worker(), a=1)
    other = source.with_name("other.txt")
    other.write_text(source.read_text(encoding="utf-8").replace("text 7", "text seven"), encoding="utf-8")
    with pytest.raises(InputError, match="another input"):
        run(other, output, Worker(), a=1)
    assert output.read_bytes() == before
    lines = (b"notes of mine\n", b"notes", b'{"line": 1}\n', b"[]\n", b'{"line": 1, "text": "mine"}', b'{"line": 5')
    for content in lines:
        output.write_bytes(content)
        with pytest.raises(InputError, match="has no results"):
            run(source, output, Worker())
        assert output.read_bytes() == content


def test_invalid_files_fail_before_the_model_is_loaded(source, tmp_path):
    worker = Worker()
    for file, output, says in (
        (tmp_path / "none", None, "cannot be read: No such file"),
        (tmp_path, None, "cannot be read: Is a directory"),
        (source, source, "is the input"),
        (source, tmp_path, "cannot be written: it is a folder"),
        (source, tmp_path / "no" / "out", "cannot be written: there is no folder"),
    ):
        with pytest.raises(InputError, match=says):
            run(file, output, worker)
    assert worker.calls == 0


def test_empty_input_gives_empty_output(source, output):
    source.write_bytes(b"")
    worker = Worker()
    assert run(source, output, worker) == []
    assert worker.calls == 0


def test_a_run_in_which_documents_fail_has_failed(source, output):
    source.write_bytes(b"bad\nbad\n")
    with pytest.raises(RunError, match=r"2 of 2 documents failed, first line 1: it is bad$"):
        run(source, output, Worker())
    assert len(read(output)) == 2
