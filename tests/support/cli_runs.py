"""Run commands over many lines, interrupt and resume them, and parse their output."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

LABELS = ["--labels", "sports,politics,technology"]
EXAMPLES: list[dict[str, Any]] = [
    {"input": "The team lost the final.", "output": "sports"},
    {"input": "A goal in the last minute", "output": "sports"},
    {"input": "The parliament passed the law.", "output": "politics"},
    {"input": "The election is on Sunday.\u2028Or on Monday.", "output": "politics", "id": 3},
    {"input": "A new phone\u0085with a faster chip", "output": "technology"},
]


def parse_rows(out: str) -> list[Any]:
    return [json.loads(line) for line in out.splitlines()]


def run_until_interrupted(command: list[str], output: Path, stop: int = signal.SIGINT) -> bytes:
    """Interrupt a run after its first lines, check that it reports how to resume it, and return its output."""
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


def resume_run(command: list[str], output: Path, before: bytes) -> list[Any]:
    """Run the same command again, check that it prints nothing and keeps earlier rows, and return all rows."""
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert output.read_bytes().startswith(before)
    return parse_rows(output.read_text(encoding="utf-8"))
