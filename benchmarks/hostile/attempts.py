"""Attempts, each in a process of its own, with bounds of time and memory; and what came of them."""

from __future__ import annotations

import json
import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

Result = Literal["answered", "refused", "else"]
ANSWERED: Final = "answered"
REFUSED: Final = "refused"
ELSE: Final = "else"
MEGABYTES = 4096
_WAITING = 3
"""How many times its seconds of computing an attempt may take, for other work on the machine."""


class Outcome(NamedTuple):
    """What came of an attempt: an answer, an error of llmkit, or what must not be.

    Attributes:
        computing: seconds of the processor, so that other work on the machine does not count.
        megabytes: at the peak, beyond what was there before.
    """

    result: Result
    text: str
    seconds: float
    computing: float
    megabytes: float


class Attempt(NamedTuple):
    """A name, and a function that returns a text, raises an error of llmkit, or does what must not be."""

    name: str
    run: Callable[[], object]


Section = Callable[[], Iterable[Attempt]]


def run(attempt: Attempt, seconds: int, megabytes: int = MEGABYTES) -> Outcome:
    """Make an attempt in a fork of this process, so that what is imported and loaded here is there at once.

    Args:
        attempt: the attempt.
        seconds: of computing; it is ended after three times as many in all.
        megabytes: that it may take more than are there.
    """
    read, written = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if not child:
        os.close(read)
        _make(attempt, written, seconds, megabytes)
    os.close(written)
    status, used = _wait(child, start + _WAITING * seconds)
    took, computing = time.monotonic() - start, used.ru_utime + used.ru_stime
    with os.fdopen(read, "rb") as file:
        report = file.read()
    if report:
        result, text, peak = json.loads(report)
        return Outcome(result, text, took, computing, peak)
    is_long = took >= _WAITING * seconds or computing >= seconds
    ended_by = "ended by a signal" if os.WIFSIGNALED(status) else "the process ended"
    return Outcome(ELSE, f"more than {seconds} s" if is_long else ended_by, took, computing, 0)


def _make(attempt: Attempt, written: int, seconds: int, megabytes: int) -> None:
    from llmkit.errors import LlmkitError

    addresses, before = _addresses(), _peak()
    size = int(addresses + megabytes) << 20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    os.setpgid(0, 0)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        quiet = os.open("output", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        result: Result
        try:
            result, text = ANSWERED, str(attempt.run())
        except LlmkitError as error:
            result, text = REFUSED, f"{type(error).__name__}: {error}"
        except BaseException as error:
            result, text = ELSE, f"{type(error).__name__}: {error}"
        os.chdir("/")
    os.write(written, json.dumps([result, " ".join(text.split())[:400], _peak() - before]).encode())
    os._exit(0)


def _wait(child: int, end: float) -> tuple[int, Any]:
    while time.monotonic() < end:
        pid, status, used = os.wait4(child, os.WNOHANG)
        if pid:
            return status, used
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    return status, used


def _addresses() -> float:
    """Return the MB of addresses that this process has (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE") / 2**20


def _peak() -> float:
    """Return the MB of memory that this process has had at most; after a fork that is what it has (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
