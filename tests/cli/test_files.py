"""What is told of `--output` before any work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmkit.cli import files

TEXT = "Ann: The train leaves at nine.\nBen: Then we must hurry."
COMMANDS = [["summarize"], ["classify", "--labels", "a,b"], ["entities"], ["ask", "Who?", "--file"]]


@pytest.fixture(params=COMMANDS, ids=lambda command: command[0])
def command(request, text_file) -> list[str]:
    return [*request.param, text_file]


def test_an_input_is_not_written_over(refused, command, text_file, tmp_path):
    link = tmp_path / "link.txt"
    link.symlink_to(text_file)
    for output in (text_file, link):
        told = refused(*command, "--output", str(output))
        assert told == f"error: {output} is the input: name another file for --output\n"
    assert Path(text_file).read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize("name", ["classify", "entities"])
def test_examples_are_not_written_over(refused, text_file, tmp_path, name):
    examples = tmp_path / "examples.jsonl"
    examples.write_text('{"input": "Ann", "output": "a"}\n' if name == "classify" else '{"input": "x", "output": []}\n')
    given = ["--labels", "a,b", "--examples", str(examples), "--output", str(examples)]
    assert "is the input" in refused(name, text_file, *given)
    assert examples.stat().st_size


def test_a_file_that_a_shell_hands_on_is_not_written_over(text_file):
    with open(text_file, encoding="utf-8") as given:
        program = [sys.executable, "-m", "llmkit", "entities", "--output", text_file]
        done = subprocess.run(program, stdin=given, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {text_file} is the input: name another file for --output\n"
    assert Path(text_file).read_text(encoding="utf-8") == TEXT


def test_what_cannot_be_written_is_told(refused, command, tmp_path):
    none = tmp_path / "none"
    assert f"{tmp_path} cannot be written: it is a folder" in refused(*command, "--output", str(tmp_path))
    assert f"cannot be written: there is no folder {none}" in refused(*command, "--output", str(none / "out"))


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a user who may not write everywhere")
def test_what_may_not_be_written_is_told(refused, command, text_file, tmp_path):
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
