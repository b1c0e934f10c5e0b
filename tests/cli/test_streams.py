"""Commands whose standard streams are closed or cannot be written: one sentence, and exit code 1 or 2."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full and a POSIX shell"),
]

TEXT = "Ann: The train leaves at nine."
NO_INPUT = "error: standard input is closed: give a file, or for a chat a message, instead\n"
NO_OUTPUT = "error: standard output is closed, so there is nowhere to write the result\n"
FULL = "error: standard output cannot be written: No space left on device\n"


def run(command: str, *, buffered: bool = True) -> tuple[int, str, str]:
    """Run a command in a shell; `llmkit` in it is this program."""
    program = f"{sys.executable}{'' if buffered else ' -u'} -m llmkit"
    given = command.replace("llmkit", program, 1)
    done = subprocess.run(["sh", "-c", given], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("command", ["config", "models", "prompts show summarize-text", "--version", "--help"])
def test_output_that_cannot_be_written(command, buffered):
    assert run(f"llmkit {command} > /dev/full", buffered=buffered) == (1, "", FULL)
    assert run(f"llmkit {command} >&-", buffered=buffered) == (1, "", NO_OUTPUT)


@pytest.mark.parametrize(
    "command", ["summarize {file}", "classify {file} --labels a,b", "entities {file} --lines", "ask Who? --file {file}"]
)
def test_closed_output_is_an_error_before_any_work(command, text_file):
    given = command.format(file=text_file)
    assert run(f"llmkit {given} --model no-such-model >&-") == (1, "", NO_OUTPUT)


@pytest.mark.parametrize(
    "command", ["summarize", "classify --labels a,b", "entities -", "entities --lines", "ask Who? --file -", "chat"]
)
def test_closed_input_is_an_error_before_any_work(command):
    assert run(f"llmkit {command} --model smollm2-135m <&-") == (2, "", NO_INPUT)


def test_a_closed_stream_that_is_not_needed_is_no_error(text_file):
    code, out, err = run("llmkit prompts <&-")
    assert (code, err) == (0, "")
    assert run("llmkit prompts 2>&-") == (0, out, "")
    assert run("llmkit prompts 2> /dev/full") == (0, out, "")


@pytest.mark.parametrize("stderr", ["2>&-", "2> /dev/full"])
def test_an_error_with_a_closed_stderr_keeps_its_exit_code(stderr):
    assert run(f"llmkit summarize no-such-file {stderr}") == (2, "", "")
    assert run(f"llmkit config >&- <&- {stderr}") == (1, "", "")


def test_a_reader_that_leaves():
    assert run("llmkit config | true") == (0, "", "")


def test_a_file_is_not_written_into_by_what_other_code_prints(tmp_path):
    """With standard output closed, the next file that is opened would get its number."""
    program = (
        "from llmkit.cli import streams; streams.prepare(); import os; "
        f"file = open({str(tmp_path / 'file')!r}, 'w'); os.write(1, b'noise'); file.close()"
    )
    subprocess.run(["sh", "-c", f'{sys.executable} -c "{program}" >&-'], check=True)
    assert (tmp_path / "file").read_bytes() == b""
