"""Choose the numbers that depend on a model, for each chain, and write them into a file.

    python -m benchmarks.tune MODEL --data FOLDER --output tuning.json [--task entities] [--rows 60]

Rows with even numbers serve the choice, with odd ones the report: what the neutral numbers and the chosen ones reach
there, and the difference with a 95 % interval. A chain takes the numbers from the file:
`NERChain(llm, tuning=NERTuning.load("tuning.json"))`. Numbers that nothing better is found for stay neutral.

Scores are computed once for all that is tried; only what changes the prompts, or generates, is computed again. Of
summarization only the penalty against repetition is chosen, for which dialogues are enough.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.tune.cached_scores import CachedChat
from benchmarks.tune.search import difference, search
from benchmarks.tune.tasks import TASKS, Task
from llmkit.chains.tuning import Tuning, save_tunings
from llmkit.errors import InputError
from llmkit.models.generation.settings import GenerationSettings


@dataclass(frozen=True)
class Report:
    """What was chosen for a chain, and what it reaches on other rows.

    Attributes:
        tuning: the chosen one.
        tried: how many were tried.
        cross_validated: its quality on the rows of the choice, by cross-validation, beside that of the neutral one.
        neutral, chosen: the quality of both on the other rows.
        gain: the difference on the other rows, and the ends of its 95 % interval.
        rows: how many rows there were for the choice and for the report.
    """

    tuning: Tuning
    tried: int
    cross_validated: tuple[float, float]
    neutral: float
    chosen: float
    gain: tuple[float, float, float]
    rows: tuple[int, int]


def tune(llm: Any, task: Task, even: Sequence[Any], odd: Sequence[Any]) -> Report:
    """Choose a tuning on some rows and measure it on others."""
    objective = task.objective(llm, even)
    choice = search(objective, task.neutral, task.fitted, task.names, task.more)
    other = task.objective(llm, odd)
    before, after = (other.figures(tuning, range(other.rows)) for tuning in (task.neutral, choice.tuning))
    finished = task.finish(llm, choice.tuning, even)
    return Report(
        replace(finished, model=llm.model_name),
        choice.tried,
        (choice.neutral, choice.cross_validated),
        other.quality(before),
        other.quality(after),
        difference(before, after, other.quality),
        (len(even), len(odd)),
    )


def halves(rows: Sequence[Any], count: int) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return up to so many rows with even numbers, and with odd ones."""
    return rows[::2][:count], rows[1::2][:count]


def changes(report: Report, neutral: Tuning) -> Iterator[str]:
    """Yield each number that was chosen and is not neutral."""
    for name, value in vars(report.tuning).items():
        if name != "model" and value != getattr(neutral, name):
            yield f"{name}={value!r}"


def main(
    model: Annotated[str, typer.Argument(help="A model of the catalog, of the hub, or a folder.")],
    data: Annotated[Path, typer.Option(help="The folder with the labelled rows.")],
    output: Annotated[Path, typer.Option(help="The file for the numbers; those of other chains in it stay.")],
    task: Annotated[list[str] | None, typer.Option(help=f"{', '.join(TASKS)}; all if left out.")] = None,
    rows: Annotated[int, typer.Option(min=10, help="The most rows of each half.")] = 60,
) -> None:
    if unknown := sorted(set(task or ()) - set(TASKS)):
        raise InputError(f"--task is {unknown[0]!r}, but must be one of {', '.join(TASKS)}")
    console = Console()
    llm = CachedChat(model=model, settings=GenerationSettings(temperature=0))
    table = Table("chain", "rows", "measure", "neutral", "chosen", "difference", "tried", "minutes")
    for name in task or TASKS:
        start, chosen = time.perf_counter(), TASKS[name]
        found = chosen.read(data)
        report = tune(llm, chosen, *halves(found, rows))
        save_tunings(output, [report.tuning])
        gain = f"{report.gain[0]:+.3f} ({report.gain[1]:+.3f} to {report.gain[2]:+.3f})"
        figures = f"{report.neutral:.3f}", f"{report.chosen:.3f}", gain, str(report.tried)
        minutes = f"{(time.perf_counter() - start) / 60:.1f}"
        table.add_row(name, f"{report.rows[0]}, {report.rows[1]}", chosen.measure, *figures, minutes)
        console.print(f"{type(report.tuning).__name__}({', '.join(changes(report, chosen.neutral))})")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
