"""The command line as a whole: help, errors, exit codes, signals, and what it imports."""

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from llmkit import __version__
from llmkit.errors import DownloadError, ModelNotFound

HEAVY = {"torch", "transformers", "langchain_core", "pydantic", "rich", "prompt_toolkit", "requests", "numpy"}


@pytest.fixture
def failing(llmkit, monkeypatch):
    """Run a command whose work raises this error."""

    def run(error: BaseException, *options: str) -> Any:
        def fail(name: str) -> None:
            raise error

        monkeypatch.setattr("llmkit.models.weights.catalog.remove", fail)
        return llmkit("models", "remove", "x", *options)

    return run


def test_help_without_arguments(llmkit):
    code, out, err = llmkit()
    assert (code, err) == (0, "")
    assert llmkit("--help") == llmkit("-h") == (0, out, "")
    for command in ("models", "prompts"):
        assert f"\n  {command}" in out


def test_version(llmkit):
    assert llmkit("--version") == (0, f"llmkit {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["bogus"], "No such command 'bogus'.; see llmkit --help"),
        (["--bogus"], "No such option: --bogus; see llmkit --help"),
        (["models", "pull"], "Missing argument 'NAME'.; see llmkit models pull --help"),
        (["models", "show", "a", "b"], "Got unexpected extra argument(s) (b); see llmkit models show --help"),
    ],
)
def test_a_usage_error_is_one_line(llmkit, arguments, told):
    assert llmkit(*arguments) == (2, "", f"error: {told}\n".replace(".;", ";"))


def test_bad_input_exits_with_2(failing):
    assert failing(ModelNotFound("no model\nis called x")) == (2, "", "error: no model is called x\n")


def test_failed_work_exits_with_1(failing):
    assert failing(DownloadError("no network")) == (1, "", "error: no network\n")


def test_the_unexpected_is_one_line_too(failing):
    code, out, err = failing(ZeroDivisionError("division by zero"))
    assert (code, out) == (1, "")
    assert err == "error: ZeroDivisionError: division by zero (unexpected; --debug shows where)\n"


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), ModelNotFound("oh")])
def test_debug_shows_the_traceback(failing, error):
    _, _, err = failing(error, "--debug")
    assert err.startswith("Traceback")
    assert "in fail" in err
    assert err.splitlines()[-1].startswith("error: ")


def test_debug_may_stand_anywhere_but_is_text_after_two_dashes(llmkit):
    for arguments in (["--debug", "models", "show", "nope"], ["models", "show", "--debug", "nope"]):
        assert "Traceback" in llmkit(*arguments)[2]
    code, _, err = llmkit("models", "show", "--", "--debug")
    assert code == 2
    assert err.startswith("error: no model is called '--debug'")


def test_an_interrupt_exits_with_130(failing):
    assert failing(KeyboardInterrupt()) == (130, "", "")


def test_an_interrupted_process():
    program = (
        "import sys, time\nfrom llmkit import cli\nfrom llmkit.models.weights import catalog\n"
        "catalog.remove = lambda name: (print('working', flush=True), time.sleep(60))\n"
        "sys.argv = ['llmkit', 'models', 'remove', 'x']\ncli.main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")


@pytest.mark.parametrize("arguments", ["--help", "models --json", "models"])
def test_a_reader_that_leaves_is_no_error(arguments):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "llmkit", *arguments.split()]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_prints_a_clear_error():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "llmkit", "models"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "error: standard output cannot be written: No space left on device\n"


def test_help_loads_no_heavy_library():
    program = (
        "import sys, llmkit.cli\nsys.argv = ['llmkit', '--help']\n"
        "try: llmkit.cli.main()\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Usage: llmkit" in done.stdout
    assert HEAVY.isdisjoint(done.stderr.split())


def test_python_m_llmkit():
    done = subprocess.run([sys.executable, "-m", "llmkit", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"llmkit {__version__}\n"
