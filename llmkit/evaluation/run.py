"""Compare what a plan says, and write the report: what `llmkit compare` does."""

from __future__ import annotations

import os
from pathlib import Path

from llmkit.batch.run import Engine
from llmkit.errors import InputError
from llmkit.evaluation.cell_runs import CellRuns, Progress
from llmkit.evaluation.comparison import Comparison, compare_cells
from llmkit.evaluation.difference_plot import draw_differences
from llmkit.evaluation.halving import write_prompt
from llmkit.evaluation.html_report import write_html
from llmkit.evaluation.items import read_data
from llmkit.evaluation.plan import Plan

BEST_PROMPT = "best-prompt.md"
"""The file of the best prompt, where a plan asks to optimize."""
OPTIMIZED_HOLDOUT = 0.5


def compare(
    plan: Plan,
    output: str | os.PathLike[str],
    *,
    baseline: str | None = None,
    holdout: float | None = None,
    limit: int | None = None,
    engine: Engine = "local",
    workers: int = 1,
    retry_failed: bool = False,
    progress: Progress = lambda cell, done, total: None,
) -> Comparison:
    """Run the cells of a plan on its items, compare each with the baseline, and write the report.

    Args:
        plan: what is compared: `Plan.load("plan.toml")`.
        output: a folder for results and the report; the same call continues an interrupted one.
        baseline: the name of the cell that others are compared with; by default the first.
        holdout: the share of items that are reported, with the best cell chosen on the others. By default 0, which
            chooses and reports on all items; 0.5 if the plan says `optimize`.
        limit: how many items are used; by default all.
        engine: "local" or "ray", which is an extra: `llmkit[ray]`.
        workers: how many processes compute.
        retry_failed: compute items that have an error again.
        progress: is called with the name of a cell, how many results of all cells are done, and of how many.

    Raises:
        InputError: the plan, its data or an argument is wrong; nothing was computed.
        RunError: computing failed; what is done is kept.
    """
    data, folder = read_data(plan, limit), Path(output)
    runs = CellRuns(plan, data, folder, engine, workers, retry_failed, progress)
    share = (OPTIMIZED_HOLDOUT if plan.optimize else 0.0) if holdout is None else holdout
    found = compare_cells(plan, data, runs, baseline=baseline, holdout=share)
    files = {"results.json": found.to_json() + "\n", "report.html": write_html(found)}
    if len(found.cells) > 1:
        files["differences.svg"] = draw_differences(found, found.metrics[0])
    for name, text in files.items():
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{folder / name} cannot be written: {error.strerror}") from error
    if plan.optimize:
        write_prompt(plan.find_cell(found.best), plan.task, data, plan.seed, folder / BEST_PROMPT)
    return found
