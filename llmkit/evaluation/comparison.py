"""Compare the cells of a plan: run them, measure them, and say what differs and whether to believe it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from llmkit.errors import InputError
from llmkit.evaluation.cell_runs import CellRuns, ItemResult
from llmkit.evaluation.cells import Cell
from llmkit.evaluation.halving import Round, find_best
from llmkit.evaluation.items import Data, Item
from llmkit.evaluation.metrics import DEFAULTS, Metric, find_metric
from llmkit.evaluation.plan import Plan
from llmkit.evaluation.verdicts import Difference, Figure, Sample, judge


@dataclass(frozen=True)
class Cost:
    """What a cell took, as a mean of its items.

    Attributes:
        prompt_tokens: that the model read; where a chain makes its own prompts, the tokens of the text.
        completion_tokens: that the model wrote; `None` where it writes none, or nobody counted.
        seconds: of computing, without loading the model.
        memory: the peak in bytes, weights included: resident memory of the process that computed, or memory of the
            GPU; `None` for a served model.
    """

    prompt_tokens: float | None
    completion_tokens: float | None
    seconds: float
    memory: int | None


@dataclass(frozen=True)
class CellReport:
    """A cell on the items that are reported.

    Attributes:
        cell: what was run.
        figures: of each metric.
        differences: from the baseline; none for the baseline itself.
        errors: items without a result, which count as wrong.
        cut: items whose prompt did not hold all examples that were asked for.
        cost: of an item.
        results: of each repeat, in the order of the items.
    """

    cell: Cell
    figures: dict[str, Figure]
    differences: dict[str, Difference]
    errors: int
    cut: int
    cost: Cost
    results: list[list[ItemResult]]

    @property
    def first_error(self) -> str:
        """The message of the first item without a result."""
        return next((one.text for repeat in self.results for one in repeat if one.error is not None), "")


@dataclass(frozen=True)
class Comparison:
    """What was compared, and what came out.

    Attributes:
        plan: what was asked.
        metrics: the first one decides.
        baseline: the name of the cell that the others are compared with.
        items: that the figures are of.
        chosen_on: how many other items the best cell was chosen on; 0 if it was chosen on the same ones.
        best: the name of the cell with the best figure of the first metric, on the items it was chosen on.
        cells: in the order of the plan.
        computed: how many results were computed by this run; the others were there.
        rounds: how the best cell was found, if the plan asks to optimize; then only this one and the baseline are
            reported.
    """

    plan: Plan
    metrics: tuple[Metric, ...]
    baseline: str
    items: tuple[Item, ...]
    chosen_on: int
    best: str
    cells: tuple[CellReport, ...]
    computed: int
    rounds: tuple[Round, ...] = ()

    @property
    def is_proved(self) -> bool:
        """Whether the best cell is proved better than the baseline."""
        found = next(one for one in self.cells if one.cell.name == self.best)
        first = found.differences.get(self.metrics[0].name)
        return first is not None and first.verdict == "better"

    def worse_cells(self, margin: float) -> list[str]:
        """Return the cells that are proved worse than the baseline, by the first metric and more than a margin."""
        first = self.metrics[0]
        found = [(one.cell.name, one.differences.get(first.name)) for one in self.cells]
        return [name for name, difference in found if difference and difference.is_worse_by(margin, first)]

    def to_json(self) -> str:
        """Return everything but the results of items, which are in the folders of the cells."""
        cells = [
            {
                "name": one.cell.name,
                "cell": {name: value for name, value in asdict(one.cell).items() if name != "name"},
                "figures": {name: asdict(figure) for name, figure in one.figures.items()},
                "differences": {name: asdict(difference) for name, difference in one.differences.items()},
                "errors": one.errors,
                "cut": one.cut,
                "cost": asdict(one.cost),
            }
            for one in self.cells
        ]
        head = {
            "task": self.plan.task,
            "data": str(self.plan.data),
            "metrics": [metric.name for metric in self.metrics],
            "baseline": self.baseline,
            "best": self.best,
            "items": len(self.items),
            "chosen_on": self.chosen_on,
            "rounds": [asdict(one) for one in self.rounds],
        }
        return json.dumps(_finite({**head, "cells": cells}), ensure_ascii=False, indent=1)


def _finite(value: Any) -> Any:
    """Return a value in which numbers that JSON does not have are null."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def compare_cells(
    plan: Plan,
    data: Data,
    runs: CellRuns,
    *,
    baseline: str | None = None,
    holdout: float = 0.0,
) -> Comparison:
    """Run all cells of a plan, and compare each with the baseline on the same items.

    A plan that asks to optimize gets the best cell by successive halving, and runs only this one and the baseline on
    the items that are reported.

    Args:
        plan: what is compared.
        data: of the plan.
        runs: computes the results, and keeps them.
        baseline: the name of a cell; the first one by default.
        holdout: the share of the items that are reported; the best cell is then chosen on the others, so that the
            figure of the winner is no lucky one. 0 chooses and reports on all.

    Raises:
        InputError: no cell has the name of the baseline, or a metric is unknown or fails; nothing was computed.
        RunError: computing failed; what is done is kept.
    """
    metrics = tuple(find_metric(name, plan.task) for name in plan.metrics or DEFAULTS[plan.task])
    base = plan.cells[0] if baseline is None else plan.find_cell(baseline)
    choosing, reporting = data.halves(holdout, plan.seed)
    scorer = _Scorer(plan, data, metrics)
    runs.prepare()
    run = _run_halving if plan.optimize else _run_all
    best, found, rounds = run(plan, runs, scorer, base, choosing, reporting)
    cells = [cell for cell in plan.cells if cell.name in found]
    return Comparison(
        plan=plan,
        metrics=metrics,
        baseline=base.name,
        items=tuple(reporting),
        chosen_on=len(choosing) if holdout else 0,
        best=best.name,
        cells=scorer.report(cells, found, reporting, base),
        computed=runs.computed,
        rounds=tuple(rounds),
    )


Found = tuple[Cell, dict[str, list[list[ItemResult]]], Sequence[Round]]
"""The best cell, the results of cells on the items that are reported, and how the best was found."""


def _run_all(
    plan: Plan, runs: CellRuns, scorer: _Scorer, base: Cell, choosing: list[Item], reporting: list[Item]
) -> Found:
    """Run all cells on all items."""
    items = list({item.key: item for item in [*choosing, *reporting]}.values())
    whole = runs.run_all(plan.cells, items)
    scores = {name: scorer.score(_only(results, items, choosing), choosing) for name, results in whole.items()}
    best = plan.find_cell(max(scores, key=lambda name: scores[name]))
    return best, {name: _only(results, items, reporting) for name, results in whole.items()}, ()


def _run_halving(
    plan: Plan, runs: CellRuns, scorer: _Scorer, base: Cell, choosing: list[Item], reporting: list[Item]
) -> Found:
    """Find the best cell on some items; run it and the baseline on those that are reported."""

    def score(cell: Cell, items: Sequence[Item]) -> float:
        return scorer.score(runs.run(cell, items), items)

    best, rounds = find_best(plan.cells, choosing, score, plan.seed)
    return best, runs.run_all([base] if best == base else [base, best], reporting), rounds


@dataclass(frozen=True)
class _Scorer:
    """Measures results by the metrics of a plan."""

    plan: Plan
    data: Data
    metrics: tuple[Metric, ...]

    def score(self, results: Sequence[Sequence[ItemResult]], items: Sequence[Item]) -> float:
        """Return the figure of the first metric with the sign by which more is better."""
        metric = self.metrics[0]
        return (-1 if metric.better == "less" else 1) * self.sample(metric, results, items).value()

    def sample(self, metric: Metric, results: Sequence[Sequence[ItemResult]], items: Sequence[Item]) -> Sample:
        """Return what the items add to a metric."""
        clusters = [item.cluster for item in items] if self.plan.cluster else None
        try:
            rows = [metric.rows([one.fields for one in repeat], items, self.data.labels) for repeat in results]
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"the metric {metric.name} failed: {type(error).__name__}: {error}") from error
        return Sample(metric, rows, clusters)

    def report(
        self,
        cells: Sequence[Cell],
        results: dict[str, list[list[ItemResult]]],
        reporting: list[Item],
        base: Cell,
    ) -> tuple[CellReport, ...]:
        """Return figures and verdicts of all cells on the items that are reported."""
        others = [cell.name for cell in cells if cell.name != base.name]
        figures: dict[str, dict[str, Figure]] = {cell.name: {} for cell in cells}
        differences: dict[str, dict[str, Difference]] = {cell.name: {} for cell in cells}
        for metric in self.metrics:
            samples = {name: self.sample(metric, results[name], reporting) for name in results}
            for name, sample in samples.items():
                figures[name][metric.name] = sample.figure(self.plan.seed)
            judged = judge([samples[name] for name in others], samples[base.name], self.plan.seed)
            for name, difference in zip(others, judged, strict=True):
                differences[name][metric.name] = difference
        return tuple(_cell_report(cell, figures, differences, results[cell.name]) for cell in cells)


def _cell_report(
    cell: Cell,
    figures: dict[str, dict[str, Figure]],
    differences: dict[str, dict[str, Difference]],
    results: list[list[ItemResult]],
) -> CellReport:
    every = [one for repeat in results for one in repeat]
    return CellReport(
        cell,
        figures[cell.name],
        differences[cell.name],
        errors=sum(one.error is not None for one in every),
        cut=sum(bool((one.fields or {}).get("examples_left_out")) for one in every),
        cost=Cost(
            _mean([(one.fields or {}).get("prompt_tokens", one.cost.tokens) for one in every]),
            _mean([(one.fields or {}).get("completion_tokens") for one in every]),
            _mean([one.cost.seconds for one in every]) or 0.0,
            max((one.cost.memory for one in every if one.cost.memory), default=None),
        ),
        results=results,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _only(results: list[list[ItemResult]], items: list[Item], some: Sequence[Item]) -> list[list[ItemResult]]:
    """Return the results of some of the items."""
    place = {item.key: index for index, item in enumerate(items)}
    return [[repeat[place[item.key]] for item in some] for repeat in results]
