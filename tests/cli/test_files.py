"""The texts that commands read, and what is told of `--output` before any work."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmkit.cli import files
from tests.support.pdf_files import pdf

TEXT = "Ann: The train leaves at nine.\nBen: Then we must hurry."
COMMANDS = [["summarize"], ["classify", "--labels", "a,b"], ["entities"], ["ask", "Who?", "--file"]]


@pytest.fixture(params=COMMANDS, ids=lambda command: command[0])
def command(request, text_file) -> list[str]:
    return [*request.param, text_file]


def test_an_input_is_not_written_over(refused, command, text_file, tmp_path):
    link = tmp_path / "link.txt"
    link.symlink_to(text_file)
    for output in (text_file, link):
        message = refused(*command, "--output", str(output))
        assert message == f"error: {output} is the input: name another file for --output\n"
    assert Path(text_file).read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize("name", ["classify", "entities"])
def test_examples_are_not_written_over(refused, text_file, tmp_path, name):
    examples = tmp_path / "examples.jsonl"
    examples.write_text('{"input": "Ann", "output": "a"}\n' if name == "classify" else '{"input": "x", "output": []}\n')
    given = ["--labels", "a,b", "--examples", str(examples), "--output", str(examples)]
    assert "is the input" in refused(name, text_file, *given)
    assert examples.stat().st_size


@pytest.mark.slow
def test_a_file_that_a_shell_hands_on_is_not_written_over(text_file):
    with open(text_file, encoding="utf-8") as given:
        program = [sys.executable, "-m", "llmkit", "entities", "--output", text_file]
        done = subprocess.run(program, stdin=given, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {text_file} is the input: name another file for --output\n"
    assert Path(text_file).read_text(encoding="utf-8") == TEXT


def test_an_output_that_cannot_be_written_prints_an_error(refused, command, tmp_path):
    none = tmp_path / "none"
    assert f"{tmp_path} cannot be written: it is a folder" in refused(*command, "--output", str(tmp_path))
    assert f"cannot be written: there is no folder {none}" in refused(*command, "--output", str(none / "out"))


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a user who may not write everywhere")
def test_an_output_without_permission_prints_an_error(refused, command, text_file, tmp_path):
    output = tmp_path / "out.txt"
    output.write_text("mine")
    output.chmod(0o400)
    assert "there is no permission" in refused(*command, "--output", str(output))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert "there is no permission" in refused(*command, "--output", str(closed / "out.txt"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a named pipe")
def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write("a result", pipe)
    assert os.read(reader, 100) == b"a result\n"
    os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_the_target_of_a_link_is_replaced_and_the_link_stays(tmp_path):
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("an earlier result")
    link.symlink_to(target.name)
    files.write("a result", link)
    assert target.read_text() == "a result\n"
    assert link.is_symlink()


@pytest.mark.parametrize("name", ["x" * 300, "é" * 200, "x" * 5000])
def test_an_output_whose_name_is_too_long_is_refused_before_any_work(refused, command, tmp_path, name):
    message = refused(*command, "--output", str(tmp_path / name))
    assert message.endswith(" cannot be written: File name too long\n")
    assert len(message) < 200


def test_the_longest_name_is_written(tmp_path):
    output = tmp_path / f"{'é' * 126}.md"
    files.check_output(output)
    files.write("a text", output)
    assert output.read_text(encoding="utf-8") == "a text\n"
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_a_link_in_place_of_the_new_file_is_not_followed(tmp_path):
    output, other = tmp_path / "out.txt", tmp_path / "other.txt"
    other.write_text("precious")
    files.part_of(output).symlink_to(other)
    files.write("a text", output)
    assert (output.read_text(), other.read_text(), output.is_symlink()) == ("a text\n", "precious", False)


def test_a_name_that_is_not_utf_8_in_a_result(tmp_path):
    files.write("in \udcff.txt", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "in \\udcff.txt\n"


@pytest.mark.skipif(not os.path.exists("/proc/self/fd/1"), reason="needs /proc")
def test_standard_output_by_its_name_is_written_to_and_stays(tmp_path):
    link, shown = tmp_path / "stdout", tmp_path / "shown.txt"
    link.symlink_to("/proc/self/fd/1")
    program = "import sys, pathlib\nfrom llmkit.cli import files\nfiles.write('a result', pathlib.Path(sys.argv[1]))"
    with shown.open("w") as file:
        subprocess.run([sys.executable, "-c", program, str(link)], stdout=file, check=True)
    assert shown.read_text() == "a result\n"
    assert link.is_symlink()


PAGE = b"<!doctype html><html><body><nav>Home</nav><p>Ann leaves on <b>Thursday</b> &amp; not before.</p></body></html>"
TALK = b"WEBVTT\n\n1\n00:01.000 --> 00:02.000\n<v Ann>I bring the\n\n2\n00:02.000 --> 00:03.000\n<v Ann>maps.\n"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (TEXT.encode("utf-16"), TEXT),
        (PAGE, "Ann leaves on Thursday & not before."),
        (TALK, "Ann: I bring the maps."),
        (pdf(["Ann leaves", "on Thursday."], ["Ben stays."]), "Ann leaves on Thursday.\n\nBen stays."),
    ],
    ids=["utf-16", "page", "subtitles", "pdf"],
)
def test_an_input_is_read_as_what_it_is(monkeypatch, tmp_path, data, text):
    (tmp_path / "input").write_bytes(data)
    assert files.read_text(str(tmp_path / "input")) == text
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    documents = files.load("-")
    assert "\n\n".join(document.page_content for document in documents) == text
    assert {document.metadata["source"] for document in documents} == {"standard input"}


@pytest.mark.parametrize("data", [b"\x1f\x8b\x08\0", b"\xff\xd8\xff\xe0", pdf(["Ann"])[:-600]])
def test_an_input_of_another_format_is_named(refused, command, text_file, data):
    Path(text_file).write_bytes(data)
    assert f"{text_file} is " in refused(*command)


@pytest.mark.parametrize("name", ["summarize", "entities"])
def test_lines_of_another_format_are_named(refused, text_file, tmp_path, name):
    Path(text_file).write_bytes(pdf(["Ann"]))
    assert "is a PDF, but --lines needs a document on each line" in refused(name, text_file, "--lines")
    Path(text_file).write_bytes(b"\x1f\x8b\x08\0")
    output = tmp_path / "out.jsonl"
    assert "gunzip -k" in refused(name, text_file, "--lines", "--output", str(output))
    assert not output.exists()


def test_a_folder_is_no_input(refused, command, tmp_path):
    assert "is a folder: name a file in it" in refused(*command[:-1], str(tmp_path))
