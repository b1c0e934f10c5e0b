"""Time and memory of reading pages that were made to be slow, two megabytes each.

    python -m benchmarks.hostile [--which cells --which divs] [--megabytes 2] [--limit 60]

Each page is read in a process of its own, which is ended after `--limit` seconds of computing, or beyond 4 GiB. Time is
the processor's, so that other work on the machine does not count; memory is the peak, less that after the imports.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

PARTS = {
    "divs": "<div>a</div>",
    "nested divs": "<div>a",
    "empty divs": "<div></div>",
    "bold": "<b>a</b>",
    "nested bold": "<b>a",
    "cells": "<td>a",
    "rows": "<tr><td>a<td>b",
    "tables": "<table><tr><td>a</table>",
    "nested tables": "<table><tr><td>",
    "items": "<li>a",
    "nested lists": "<ul><li>a",
    "links": "<a href=b>a</a>",
    "superscripts": "a<sup>2</sup> ",
    "headings": "<h2>a</h2>",
    "panels": "<a href=#b aria-controls=b>a</a><div id=b hidden>c</div>",
    "prices": "<span>$</span><span>1</span><sup>99</sup> ",
    "entities": "&amp;",
    "attributes": "<p a=b c=d e=f g=h>a",
    "comments": "<!--a-->",
    "one line": "a",
    "unfinished tags": "<a ",
    "styles": "<i style=opacity:0>a</i>",
    "forms": "<input value=a>",
    "breaks": "a<br>",
}
_MEMORY = 4 << 30


class Attempt(NamedTuple):
    """What came of one attempt: seconds of computing, and MB at the peak."""

    outcome: str
    seconds: float
    megabytes: float


def page(name: str, size: int) -> str:
    """Return a page of a kind, of about so many bytes."""
    part = PARTS[name]
    body = part * (size // len(part))
    table = name in {"cells", "rows"}
    return f"<!doctype html><title>t</title><body>{'<table>' if table else ''}{body}"


def attempt(name: str, size: int, seconds: int) -> Attempt:
    """Read a page in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.hostile", "--child", name, "--megabytes", str(size / 1e6)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=lambda: _bound(seconds))
    if done.returncode == -signal.SIGXCPU:
        return Attempt(f"ended after {seconds} s", float(seconds), float("nan"))
    if done.returncode:
        return Attempt(f"failed: {done.stderr.strip().splitlines()[-1:]}", float("nan"), float("nan"))
    return Attempt(*json.loads(done.stdout))


def _bound(seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _read(name: str, size: int) -> Attempt:
    from llmkit.errors import PageError, PageRefused
    from llmkit.web import read

    read("<!doctype html><p>Imports are not measured.", content_type="text/html")
    html = page(name, size)
    before, started = _peak(), time.process_time()
    try:
        outcome = f"{len(read(html, content_type='text/html').page_content):,} characters"
    except (PageError, PageRefused) as error:
        outcome = f"{type(error).__name__}: {error}"
    except MemoryError:
        outcome = "MemoryError"
    return Attempt(outcome, time.process_time() - started, _peak() - before)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux


def main(
    which: Annotated[list[str] | None, typer.Option(help=f"Kinds of pages: {', '.join(PARTS)}.")] = None,
    megabytes: Annotated[float, typer.Option(min=0.001, help="The size of each page.")] = 2.0,
    limit: Annotated[int, typer.Option(min=1, help="Seconds of computing for each page.")] = 60,
    child: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure, and print a table."""
    size = int(megabytes * 1e6)
    if child:
        print(json.dumps(_read(child, size)))
        return
    if unknown := set(which or ()) - set(PARTS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: must be of {', '.join(PARTS)}")
    table = Table("page", "outcome", "seconds", "peak MB")
    for name in which or PARTS:
        found = attempt(name, size, limit)
        row = (name, found.outcome, f"{found.seconds:.1f}", f"{found.megabytes:.0f}")
        typer.echo("  ".join(row), err=True)
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
