"""Time and memory of llmkit and its alternatives, on this machine and the same weights.

    python -m benchmarks [--data FOLDER] [--which decode --which start] [--rounds 3]
    python -m benchmarks --device cuda [--data FOLDER] [--model FOLDER] [--saved FILE] [--seconds 450] [--scale 1]

Prints a table for each comparison, and writes docs/performance.md with a plot for each. Comparisons that are not run
keep their earlier results.

With `--device`, one table of that device is measured instead, in a limited time, the most doubtful rows first. Each row
is printed and saved as a line of JSON as soon as it is measured. `--device cpu --scale 0.02` rehearses it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.devices.table import ROWS, measure_table
from benchmarks.performance import answers, batches, growth, matrix, page, processes
from benchmarks.performance.results import Result, RunOptions

BENCHMARKS: dict[str, Callable[[RunOptions], Result]] = {
    "decode": answers.decode,
    "turns": growth.turns,
    "callers": growth.callers,
    "drafts": growth.drafts,
    "batch": batches.batch,
    "labels": batches.labels,
    "label-growth": batches.label_growth,
    "forms": answers.structured_output,
    "start": processes.start,
    "memory": processes.memory,
    "summaries": growth.summaries,
    "pages": growth.pages,
    "matrix": matrix.matrix,
}
REQUIRE_DATA = ("labels", "label-growth", "matrix")
FOLDER = Path(__file__).parents[1] / "docs"


def main(
    data: Annotated[Path | None, typer.Option(help="A folder with the JSON lines files of the data sets.")] = None,
    which: Annotated[
        list[str] | None,
        typer.Option(help=f"What to measure: {', '.join(BENCHMARKS)}; with --device: {', '.join(ROWS)}."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each variant is timed, after a round to warm up.")] = 3,
    model: Annotated[str, typer.Option(help="A key of `llmkit models`; with --device also a folder.")] = "smollm2-135m",
    docs: Annotated[Path, typer.Option(help="The folder that the page is written to.")] = FOLDER,
    device: Annotated[str | None, typer.Option(help="Measure the table of this device, such as cuda.")] = None,
    scale: Annotated[float, typer.Option(help="With --device: the amount of work; below 1 is a rehearsal.")] = 1.0,
    seconds: Annotated[float, typer.Option(help="With --device: after so many, nothing more is begun.")] = 450.0,
    saved: Annotated[Path | None, typer.Option(help="With --device: the file that lines are added to.")] = None,
) -> None:
    """Measure, print and write the page, or measure the table of one device."""
    known = ROWS if device else BENCHMARKS
    if unknown := set(which or ()) - set(known):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: must be of {', '.join(known)}")
    if device:
        measure_table(
            model, device, data=data, which=which or (), rounds=rounds, scale=scale, seconds=seconds, path=saved
        )
        return
    options = RunOptions(model, data, rounds)
    for name in which or BENCHMARKS:
        if name in REQUIRE_DATA and data is None:
            typer.echo(f"{name}: not measured, it needs --data", err=True)
            continue
        typer.echo(f"{name} …", err=True)
        started = time.perf_counter()
        result = BENCHMARKS[name](options)
        page.update(docs / "performance", {name: result})
        introduction = (Path(__file__).parent / "performance" / "introduction.md").read_text(encoding="utf-8")
        page.write(docs / "performance.md", docs / "performance", list(BENCHMARKS), introduction)
        typer.echo(page.section(result, f"performance/{name}.svg"))
        typer.echo(f"{name} took {time.perf_counter() - started:.0f} s\n", err=True)


if __name__ == "__main__":
    typer.run(main)
