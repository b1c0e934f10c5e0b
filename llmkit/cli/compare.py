"""`llmkit compare`: which prompt, how many examples, which settings, which model, and is the difference real?"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llmkit.cli import console, options
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.evaluation.comparison import Comparison

PROVED_WORSE = 3
"""The exit code of `--fail-if-worse`."""


def compare(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A .toml file: what is compared, on which data.")],
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Write results and the report here; the same command continues.")
    ],
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The data, instead of the file that the plan names.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="CELL", help="The cell that others are compared with; the first by default.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="CELL", help="Run only this cell and the baseline; can be repeated.")
    ] = None,
    limit: Annotated[int | None, typer.Option(metavar="ITEMS", min=1, help="Use only so many items.")] = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            min=0,
            max=0.95,
            help="Choose the best cell on some items, report on this share of them; 0.5 where a plan says optimize.",
        ),
    ] = None,
    fail_if_worse: Annotated[
        float | None,
        typer.Option(metavar="MARGIN", min=0, help="Exit with 3 if a cell is proved worse than the baseline by more."),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Where items are computed, as for llmkit batch.")
    ] = "local",
    workers: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="How many processes compute.")] = 1,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Compute items that have an error again.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
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
    from llmkit.evaluation.cell_runs import CellRuns
    from llmkit.evaluation.comparison import compare as run
    from llmkit.evaluation.halving import write_prompt
    from llmkit.evaluation.items import read_data
    from llmkit.evaluation.plan import Plan

    loaded = Plan.load(plan).with_only(only or [], baseline)
    rows = read_data(loaded if data is None else replace(loaded, data=data), limit)
    share = (0.5 if loaded.optimize else 0.0) if holdout is None else holdout
    with ExitStack() as stack:
        runs = CellRuns(
            loaded, rows, output, engine=engine, workers=workers, retry_failed=retry_failed, progress=_Progress(stack)
        )
        try:
            found = run(loaded, rows, runs, baseline=baseline, holdout=share)
        except KeyboardInterrupt:
            console.note("what is done is kept; the same command continues")
            raise
    if loaded.optimize:
        best = output / "best-prompt.md"
        write_prompt(loaded.find_cell(found.best), loaded.task, rows, loaded.seed, best)
        console.note(f"the best prompt is {best}: TaskPrompt.load reads it")
    _show(found, output, as_json)
    if fail_if_worse is not None and (worse := found.worse_cells(fail_if_worse)):
        console.error(f"proved worse than {found.baseline} by more than {fail_if_worse:g}: {', '.join(worse)}")
        raise typer.Exit(PROVED_WORSE)


class _Progress:
    """Shows the cell that is being computed, and how many of its items are done."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack, self._cell = stack, ""
        self._update: Any = None

    def __call__(self, cell: str, done: int, total: int) -> None:
        if cell != self._cell:
            self._stack.close()
            shown = console.progress(cell, total, completed=done, shows_rate=True)
            self._cell, self._update = cell, self._stack.enter_context(shown)
        self._update(completed=done)


def _show(comparison: Comparison, output: Path, as_json: bool) -> None:
    """Write the report, and show what won."""
    from llmkit.evaluation.difference_plot import draw_differences
    from llmkit.evaluation.html_report import write_html
    from llmkit.evaluation.tables import head_of, headline, notes_of, rows_of

    files = {"results.json": comparison.to_json() + "\n", "report.html": write_html(comparison)}
    if len(comparison.cells) > 1:
        files["differences.svg"] = draw_differences(comparison, comparison.metrics[0])
    for name, text in files.items():
        try:
            (output / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{output / name} cannot be written: {error.strerror}") from error
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
