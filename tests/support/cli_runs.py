"""Runs of commands over many lines, and what they write."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any


def rows_of(out: str) -> list[Any]:
    return [json.loads(line) for line in out.splitlines()]


def broken_off(command: list[str], output: Path, stop: int = signal.SIGINT) -> bytes:
    """Stop a run when it has written its first lines; it reports that it can be resumed. Return what is there."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    while process.poll() is None and not (output.exists() and output.stat().st_size):
        time.sleep(0.02)
    process.send_signal(stop)
    _, err = process.communicate()
    done = output.read_bytes()
    if stop == signal.SIGINT:
        note = f"note: {len(done.splitlines())} documents are done; the same command continues\n"
        assert (process.returncode, err.decode()) == (130, note)
    else:
        assert (process.returncode, err) == (-stop, b"")
    return done


def gone_on(command: list[str], output: Path, before: bytes) -> list[Any]:
    """Run the same command again: it prints nothing, and keeps what was written. Return all rows."""
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert output.read_bytes().startswith(before)
    return rows_of(output.read_text(encoding="utf-8"))
