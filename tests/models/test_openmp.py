"""How the threads of torch wait, which is decided before torch is imported."""

import logging
import os
import subprocess
import sys

import pytest

from llmkit.models import openmp

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="GNU OpenMP is what torch uses on Linux")


def run_python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in openmp.WAITING_VARIABLES}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env={**kept, **environment}, capture_output=True, text=True, check=True)


def test_threads_wait_briefly_by_default():
    program = "import llmkit.models, os, sys; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    assert run_python(program).stdout == "1000 False\n"


@pytest.mark.parametrize("name", openmp.WAITING_VARIABLES)
def test_environment_variables_of_the_user_are_kept(name):
    program = "import os; before = dict(os.environ); import llmkit.models; print(dict(os.environ) == before)"
    assert run_python(program, **{name: "active" if name == "OMP_WAIT_POLICY" else "7"}).stdout == "True\n"


def test_a_set_number_of_threads_keeps_the_short_wait():
    program = "import llmkit.models, os; print(os.environ['GOMP_SPINCOUNT'], os.environ['OMP_NUM_THREADS'])"
    assert run_python(program, OMP_NUM_THREADS="2").stdout == "1000 2\n"


@linux_only
@pytest.mark.slow
def test_openmp_reads_the_variable():
    shown = run_python("import llmkit.models.chat", OMP_DISPLAY_ENV="verbose").stderr
    assert "GOMP_SPINCOUNT = '1000'" in shown


@linux_only
def test_torch_imported_first_gives_one_warning(monkeypatch, caplog):
    import torch

    for name in openmp.WAITING_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(openmp, "_state", {"too_late": False})
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    openmp.limit_busy_waiting()
    assert "GOMP_SPINCOUNT" not in os.environ
    with caplog.at_level(logging.WARNING, logger="llmkit"):
        openmp.warn_of_busy_waiting("cuda")
        assert caplog.messages == []
        openmp.warn_of_busy_waiting("cpu")
        openmp.warn_of_busy_waiting("cpu")
    [message] = caplog.messages
    assert "set GOMP_SPINCOUNT=1000 before Python starts" in message


@linux_only
def test_no_warning_if_the_user_set_the_variable(monkeypatch, caplog):
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    monkeypatch.setattr(openmp, "_state", {"too_late": False})
    openmp.limit_busy_waiting()
    openmp.warn_of_busy_waiting("cpu")
    assert caplog.messages == []
