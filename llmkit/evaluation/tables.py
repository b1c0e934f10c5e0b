"""What came out of a comparison in words and cells, for a terminal and a page."""

from __future__ import annotations

from llmkit.evaluation.comparison import CellReport, Comparison
from llmkit.evaluation.verdicts import Figure

LEAST_FOR_INTERVALS = 8
"""With fewer items, or clusters, a bootstrap covers the truth in less than 95 % (with 2, in half of all cases)."""


def headline(comparison: Comparison) -> str:
    """Return what won and whether to believe it, in one sentence."""
    metric, best = comparison.metrics[0], comparison.best
    report = next(one for one in comparison.cells if one.cell.name == best)
    figure, items = figure_text(report.figures[metric.name]), f"{len(comparison.items)} items"
    if len(comparison.cells) == 1:
        return f"{best}: {metric.name} {figure} on {items}."
    difference = report.differences.get(metric.name)
    if difference is None:
        others = [one.differences[metric.name] for one in comparison.cells if metric.name in one.differences]
        worse = sum(one.verdict == "worse" for one in others)
        sentence = f"{best}, the baseline, has the best {metric.name}: {figure} on {items}"
        return f"{sentence}; {_those_worse(worse, len(others))} proved worse."
    sentence = (
        f"{best} has the best {metric.name}: {figure} on {items}, {difference.value:+.3f} from {comparison.baseline}"
    )
    if difference.verdict == "better":
        return f"{sentence}; the difference is real (p = {difference.corrected:.2g})."
    return f"{sentence}; {difference.verdict}."


def _those_worse(worse: int, others: int) -> str:
    if others == 1:
        return "the other is" if worse else "the other is not"
    return f"{worse or 'none'} of {others} others {'is' if worse == 1 else 'are'}"


def notes_of(comparison: Comparison) -> list[str]:
    """Return what a reader must know to believe the figures."""
    notes = []
    if comparison.chosen_on:
        notes.append(f"The best cell was chosen on {comparison.chosen_on} other items.")
    elif len(comparison.cells) > 2:
        notes.append(
            "The best of several was chosen on these items, so its figure is a little too good: --holdout 0.5."
        )
    for report in comparison.cells:
        if report.errors:
            which = f"the first is: {report.first_error.removeprefix('error: '):.200}"
            notes.append(f"{report.cell.name}: {report.errors} items have an error, and count as wrong; {which}")
        if report.cut:
            notes.append(
                f"{report.cell.name}: {report.cut} prompts did not hold all examples; the window is too small."
            )
    if (independent := len({item.cluster for item in comparison.items})) < LEAST_FOR_INTERVALS:
        notes.append(f"{independent} items are few: intervals of fewer than {LEAST_FOR_INTERVALS} are too narrow.")
    notes.append(
        "Figures have 95 % intervals. A difference is called better or worse if its p-value, paired by item and "
        "corrected for the number of cells (Holm), is below 0.05."
    )
    return notes


def head_of(comparison: Comparison) -> list[str]:
    """Return the names of the columns."""
    return ["cell", "verdict", *(metric.name for metric in comparison.metrics), "tokens in", "out", "seconds", "MB"]


def rows_of(comparison: Comparison) -> list[list[str]]:
    """Return the cells of the table, without its head."""
    rows = []
    for report in comparison.cells:
        first = report.differences.get(comparison.metrics[0].name)
        figures = [figure_text(report.figures[metric.name]) for metric in comparison.metrics]
        rows.append([report.cell.name, "baseline" if first is None else first.verdict, *figures, *cost_cells(report)])
    return rows


def figure_text(figure: Figure) -> str:
    """Return a figure with its interval."""
    digits = 0 if abs(figure.value) >= 100 else 1 if abs(figure.value) >= 10 else 2
    value = f"{figure.value:.{digits + (digits == 2)}f}"
    if figure.interval is None:
        return value
    return f"{value} ({figure.interval.low:.{digits}f} to {figure.interval.high:.{digits}f})"


def cost_cells(report: CellReport) -> list[str]:
    """Return tokens and seconds of an item, and the peak of memory in megabytes."""
    cost = report.cost
    memory = None if cost.memory is None else cost.memory / 1e6
    return [_count(cost.prompt_tokens), _count(cost.completion_tokens), f"{cost.seconds:.2f}", _count(memory)]


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
