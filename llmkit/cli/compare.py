"""`llmkit compare`: which prompt, how many examples, which settings, which model, and is the difference real?"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llmkit.cli import console, options
from llmkit.cli.option_groups import with_option_groups

if TYPE_CHECKING:
    from llmkit.evaluation.comparison import Comparison

PROVED_WORSE = 3
"""The exit code of `--fail-if-worse`."""


@dataclass(frozen=True)
class CellOptions:
    """Which cells are compared, on which items, and where the results go."""

    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Write results and the report here; the same command continues.")
    ]
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="The data, instead of the file that the plan names; or the folder of its files."
        ),
    ] = None
    baseline: Annotated[
        str | None, typer.Option(metavar="CELL", help="The cell that others are compared with; the first by default.")
    ] = None
    only: Annotated[
        list[str] | None, typer.Option(metavar="CELL", help="Run only this cell and the baseline; can be repeated.")
    ] = None
    limit: Annotated[int | None, typer.Option(metavar="ITEMS", min=1, help="Use only so many items.")] = None
    holdout: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            min=0,
            max=0.95,
            help="Choose the best cell on some items, report on this share of them; 0.5 where a plan says optimize.",
        ),
    ] = None
    fail_if_worse: Annotated[
        float | None,
        typer.Option(metavar="MARGIN", min=0, help="Exit with 3 if a cell is proved worse than the baseline by more."),
    ] = None


@dataclass(frozen=True)
class RunOptions:
    """How items are computed, and what is shown."""

    engine: Annotated[Literal["local", "ray"], typer.Option(help="Where items are computed, as for llmkit batch.")] = (
        "local"
    )
    workers: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="How many processes compute.")] = 1
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Compute items that have an error again.")] = (
        False
    )
    as_json: options.Json = False
    quiet: options.Quiet = False


@with_option_groups()
def compare(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A .toml file: what is compared, on which data.")],
    *,
    cells: CellOptions,
    running: RunOptions,
) -> None:
    """Compare prompts, examples, settings and models on the same items.

    The plan names a data file with its columns, a task, and cells: the ways to do it. Each cell is compared with the
    baseline item by item, with intervals, and a verdict: better, worse, or that so many items cannot tell. The folder
    gets report.html, results.json, a plot, and the result of each item.

    \b
    A plan:
      task = "generate"
      data = "dialogues.jsonl"
      input = "dialogue"
      reference = "summary"
      [matrix]
      prompt = ["none", "summarize-text"]
      examples = [0, 3]

    \b
    Examples:
      llmkit compare plan.toml --output runs/first
      llmkit compare plan.toml --output runs/first --limit 20
      llmkit compare plan.toml --output runs/best --holdout 0.5
      llmkit compare plan.toml --output runs/ci --fail-if-worse 0.02
    """
    found = _run(plan, cells, running)
    _show(found, cells.output, running.as_json)
    margin = cells.fail_if_worse
    if margin is not None and (worse := found.worse_cells(margin)):
        console.error(f"proved worse than {found.baseline} by more than {margin:g}: {', '.join(worse)}")
        raise typer.Exit(PROVED_WORSE)


def _run(path: Path, cells: CellOptions, running: RunOptions) -> Comparison:
    """Read the plan, compute what is not there yet, and compare."""
    from llmkit.evaluation import Plan
    from llmkit.evaluation import compare as compare_plan

    plan = Plan.load(path).with_only(cells.only or [], cells.baseline)
    plan = plan if cells.data is None else plan.with_data(cells.data)
    how: dict[str, Any] = {name: getattr(cells, name) for name in ("baseline", "holdout", "limit")}
    how |= {name: getattr(running, name) for name in ("engine", "workers", "retry_failed")}
    with ExitStack() as stack:
        try:
            return compare_plan(plan, cells.output, **how, progress=_Progress(stack))
        except KeyboardInterrupt:
            console.note("what is done is kept; the same command continues")
            raise


class _Progress:
    """Shows the cell that is being computed, how many results of all cells are done, and the time that is left."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._update: Any = None

    def __call__(self, cell: str, done: int, total: int) -> None:
        if self._update is None:
            self._update = self._stack.enter_context(console.progress(cell, total, completed=done, shows_rate=True))
        self._update(text=cell, completed=done, total=total)


def _show(comparison: Comparison, output: Path, as_json: bool) -> None:
    """Show what won."""
    from llmkit.evaluation.run import BEST_PROMPT
    from llmkit.evaluation.tables import head_of, headline, notes_of, rows_of

    if comparison.plan.optimize:
        best = output / BEST_PROMPT
        console.note(f"the best prompt is {best}: TaskPrompt.load(Path(…)) reads it, and so does a plan: prompt = …")
    if as_json:
        console.output(comparison.to_json())
        return
    columns = list(zip(head_of(comparison), *rows_of(comparison), strict=True))
    kept = [column for column in columns if any(column[1:])]
    console.table([*zip(*[*kept[:1], *kept[2:], kept[1]], strict=True)])
    console.output(f"\n{headline(comparison)}")
    for note in notes_of(comparison):
        console.note(note)
    console.note(f"the report is {output / 'report.html'}")
