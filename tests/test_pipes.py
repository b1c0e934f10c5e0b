"""Named pipes: one that nothing writes to is refused, every other is waited for."""

import os
import subprocess
import sys
import threading
import time

import pytest

from llmkit import pipes
from llmkit.batch import ChainSpec, ChainWorker
from llmkit.cli import jsonl_batch
from llmkit.errors import InputError, PromptError
from llmkit.files import load
from llmkit.prompts import TaskPrompt

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")


@pytest.fixture
def pipe(tmp_path, monkeypatch):
    monkeypatch.setattr(pipes, "WAIT", 0.3)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("read", ["file", "lines", "prompt"])
def test_a_pipe_without_a_writer_is_refused(pipe, read):
    with pytest.raises((InputError, PromptError)) as raised:
        if read == "file":
            load(pipe)
        elif read == "lines":
            jsonl_batch.run(str(pipe), None, ChainWorker(ChainSpec("tests.support:none", model=None)))
        else:
            TaskPrompt.load(pipe)
    assert f"{pipe}" in str(raised.value)
    assert "no program writes to (waited 0.3 s): start that program before" in str(raised.value)


@pytest.mark.parametrize(("opens_after", "writes_after"), [(0, 0), (0.1, 0), (0, 1), (0.1, 1)])
def test_a_writer_is_waited_for(pipe, opens_after, writes_after):
    def write():
        time.sleep(opens_after)
        with pipe.open("w") as file:
            time.sleep(writes_after)
            file.write("The boat leaves at nine. " * 10_000)

    writer = threading.Thread(target=write)
    writer.start()
    [document] = load(pipe)
    writer.join()
    assert document.page_content == "The boat leaves at nine. " * 10_000


def test_a_writer_that_writes_nothing_is_an_empty_file(pipe):
    writer = threading.Thread(target=lambda: pipe.open("w").close())
    writer.start()
    with pytest.raises(InputError, match="is empty"):
        load(pipe)
    writer.join()
    assert pipe.is_fifo()


SCRIPT = "import sys; from llmkit.files import load; print(load(sys.argv[1])[0].page_content)"


@pytest.mark.parametrize("arguments", ["<(sleep 0.5; echo hello)", "/dev/stdin < <(echo hello)", "/dev/fd/0 <<< hello"])
def test_process_substitution_and_standard_input_are_files(arguments):
    command = f'"{sys.executable}" -c "{SCRIPT}" {arguments}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "hello", done.stderr


def test_folders_and_missing_files_are_errors_as_before(tmp_path):
    with pytest.raises(IsADirectoryError):
        pipes.open_input(tmp_path)
    with pytest.raises(FileNotFoundError):
        pipes.open_input(tmp_path / "none")
    with pipes.open_input(os.devnull) as empty:
        assert empty.read() == b""
