"""Where the time goes, ours beside what a user would pick instead, on this machine and the same weights.

    python -m benchmarks [--data FOLDER] [--which decode --which start] [--rounds 3]

Prints a table for each comparison, and writes docs/performance.md with a plot for each. What a run leaves out stays as
it was measured before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.performance import answers, batches, growth, page, processes
from benchmarks.performance.results import Given, Result

WHICH: dict[str, Callable[[Given], Result]] = {
    "decode": answers.decode,
    "turns": growth.turns,
    "batch": batches.batch,
    "labels": batches.labels,
    "label-growth": batches.label_growth,
    "forms": answers.forms,
    "start": processes.start,
    "memory": processes.memory,
    "summaries": growth.summaries,
    "pages": growth.pages,
}
NEED_DATA = ("labels", "label-growth")
FOLDER = Path(__file__).parents[1] / "docs"


def main(
    data: Annotated[Path | None, typer.Option(help="A folder with the JSON lines files of the data sets.")] = None,
    which: Annotated[list[str] | None, typer.Option(help=f"What to measure: {', '.join(WHICH)}.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each variant is timed, after a round to warm up.")] = 3,
    model: Annotated[str, typer.Option(help="A key of `llmkit models`.")] = "smollm2-135m",
    docs: Annotated[Path, typer.Option(help="The folder that the page is written to.")] = FOLDER,
) -> None:
    """Measure, print and write the page."""
    if wrong := set(which or ()) - set(WHICH):
        raise typer.BadParameter(f"{', '.join(sorted(wrong))}: must be of {', '.join(WHICH)}")
    given = Given(model, data, rounds)
    for name in which or WHICH:
        if name in NEED_DATA and data is None:
            typer.echo(f"{name}: not measured, it needs --data", err=True)
            continue
        typer.echo(f"{name} …", err=True)
        started = time.perf_counter()
        result = WHICH[name](given)
        page.update(docs / "performance", {name: result})
        words = (Path(__file__).parent / "performance" / "words.md").read_text(encoding="utf-8")
        page.write(docs / "performance.md", docs / "performance", list(WHICH), words)
        typer.echo(page.section(result, f"performance/{name}.svg"))
        typer.echo(f"{name} took {time.perf_counter() - started:.0f} s\n", err=True)


if __name__ == "__main__":
    typer.run(main)
