"""Choose the numbers that depend on a model, for each chain, and write them into a file.

    python -m benchmarks.tune MODEL --data FOLDER --output tuning.json [--task entities] [--rows 60]

Rows with even numbers serve the choice, with odd ones the report: what the neutral numbers and the chosen ones reach
there, and the difference with a 95 % interval. A chain takes the numbers from the file:
`NERChain(llm, tuning=NERTuning.load("tuning.json"))`. Numbers that nothing better is found for stay neutral.

FOLDER has the labelled rows of a task in JSON Lines. Without those of a task it is left out:

- classification: `agnews_test`, `trec_test` or `sst2_dev`, and their pools (see benchmarks.classification)
- entities: `wikineural_en_test` or `wnut17_test`: `text`, and `entities` with `start`, `end` and `label`
- question-answering: `squad2_dev`: `question`, `context`, and `answers` with `text`, none if there is no answer
- summarization: `dialogsum_test`: `dialogue` and `summaries`

Scores are computed once for all that is tried; only what changes the prompts, or generates, is computed again. Of
summarization only the penalty against repetition is chosen, for which dialogues are enough.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.tune.cached_scores import CachedChat
from benchmarks.tune.search import difference, search
from benchmarks.tune.tasks import TASKS, Task
from llmkit import HuggingFaceChat
from llmkit.chains.tuning import Tuning, save_tunings
from llmkit.errors import InputError
from llmkit.models.generation.settings import GenerationSettings

MIN_ROWS = 10
"""Of fewer rows in each half nothing can be said."""
MAX_SHOWN = 400
"""Characters of the chosen numbers that are printed; the file has all of them."""


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


def tune(llm: HuggingFaceChat, task: Task, even: Sequence[Any], odd: Sequence[Any]) -> Report:
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


def constructor(tuning: Tuning) -> str:
    """Return Python code that makes a tuning: its model, and each number that is not neutral."""
    changed = {name: value for name, value in vars(tuning).items() if value != vars(type(tuning)())[name]}
    return f"{type(tuning).__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"


def main(
    model: Annotated[str, typer.Argument(help="A model of the catalog, of the hub, or a folder.")],
    data: Annotated[Path, typer.Option(help="The folder with the labelled rows.")],
    output: Annotated[Path, typer.Option(help="The file for the numbers; those of other chains in it stay.")],
    task: Annotated[list[str] | None, typer.Option(help=f"{', '.join(TASKS)}; all if left out.")] = None,
    rows: Annotated[int, typer.Option(min=MIN_ROWS, help="The most rows of each half.")] = 60,
) -> None:
    if unknown := sorted(set(task or ()) - set(TASKS)):
        raise InputError(f"--task is {unknown[0]!r}, but must be one of {', '.join(TASKS)}")
    labelled = {name: TASKS[name].read(data) for name in task or TASKS}
    if missing := [name for name, found in labelled.items() if len(found) < 2 * MIN_ROWS]:
        text = f"{data} has fewer than {2 * MIN_ROWS} labelled rows for {' and '.join(missing)}"
        if task or len(missing) == len(TASKS):
            raise InputError(f"{text}: see the beginning of benchmarks/tune/__main__.py")
        print(f"{text}: left out")
    llm = CachedChat(model=model, settings=GenerationSettings(temperature=0))
    table = Table(
        "chain", "rows chosen on", "other rows", "measure", "neutral", "chosen", "difference", "95 % interval"
    )
    for name, found in labelled.items():
        if name in missing:
            continue
        start, chosen = time.perf_counter(), TASKS[name]
        report = tune(llm, chosen, *halves(found, rows))
        save_tunings(output, [report.tuning])
        minutes = (time.perf_counter() - start) / 60
        print(f"\n{name}: {report.tried} tried in {minutes:.1f} minutes; on the rows of the choice, cross-validated:")
        print(f"{chosen.measure} {report.cross_validated[1]:.3f}, neutral {report.cross_validated[0]:.3f}")
        code = constructor(report.tuning)
        print(code if len(code) <= MAX_SHOWN else f"{code[:MAX_SHOWN]}…", flush=True)
        gain, low, high = report.gain
        figures = f"{report.neutral:.3f}", f"{report.chosen:.3f}", f"{gain:+.3f}", f"{low:+.3f} to {high:+.3f}"
        table.add_row(name, str(report.rows[0]), str(report.rows[1]), chosen.measure, *figures)
    Console().print("\nWhat the neutral numbers and the chosen ones reach on other rows", table, sep="\n")
    print(f"The numbers are in {output}: give a chain tuning={type(report.tuning).__name__}.load({str(output)!r})")


if __name__ == "__main__":
    typer.run(main)
