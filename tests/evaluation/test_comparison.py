"""Comparisons over a tiny model: what is computed, kept and resumed, and what comes out."""

import json
from typing import Any

import numpy as np
import pytest

from llmkit.errors import InputError
from llmkit.evaluation import cell_runs
from llmkit.evaluation.cell_runs import CellRuns
from llmkit.evaluation.comparison import compare_cells
from llmkit.evaluation.halving import find_best, write_prompt
from llmkit.evaluation.items import read_data
from llmkit.evaluation.metrics import METRICS
from llmkit.evaluation.tables import notes_of
from llmkit.evaluation.verdicts import Sample, judge
from llmkit.prompts import TaskPrompt

CELLS: list[dict[str, Any]] = [
    {"name": "plain", "prompt": "none"},
    {"name": "asked", "prompt": "summarize-text"},
    {"name": "shown", "prompt": "summarize-flan", "examples": 2},
]


@pytest.fixture
def run(tmp_path):
    def run(plan, limit=None, folder="out", progress=lambda *step: None, **options):
        data = read_data(plan, limit)
        return compare_cells(plan, data, CellRuns(plan, data, tmp_path / folder, progress=progress), **options)

    return run


def texts(report):
    return [one.text for one in report.results[0]]


def test_all_cells_get_the_same_items_and_the_same_plan_computes_nothing_twice(plan_of, run):
    plan = plan_of(cells=CELLS)
    first = run(plan)
    assert [one.cell.name for one in first.cells] == ["plain", "asked", "shown"]
    assert len(first.items) == 8  # two rows are the examples of "shown"
    assert first.computed == 24
    assert [one.errors for one in first.cells] == [0, 0, 0]
    again = run(plan)
    assert again.computed == 0
    assert again.to_json() == first.to_json()


def test_what_is_changed_is_computed_and_nothing_else(plan_of, run):
    run(plan_of(cells=CELLS), limit=4)
    assert run(plan_of(cells=CELLS)).computed == 3 * 4
    changed = [*CELLS[:2], {**CELLS[2], "prompt": "summarize-text"}]
    assert run(plan_of(cells=changed)).computed == 8


def test_a_new_name_or_more_examples_for_other_cells_compute_nothing_again(plan_of, run):
    cells = [CELLS[0], {**CELLS[2], "examples": 1}]
    assert run(plan_of(cells=cells, id=None)).computed == 2 * 9
    changed = [{**CELLS[0], "name": "new"}, cells[1], {**CELLS[2], "name": "more", "examples": 3}]
    found = run(plan_of(cells=changed, id=None))
    assert found.computed == len(found.items) == 7


def test_examples_and_settings_reach_the_model(plan_of, run):
    found = run(plan_of(cells=[*CELLS, {"name": "short", "prompt": "none", "max_new_tokens": 2}]))
    plain, _, shown, short = found.cells
    assert [one.fields["examples"] for one in shown.results[0]] == [2] * 8
    assert shown.cost.prompt_tokens > plain.cost.prompt_tokens
    assert short.cost.completion_tokens <= 2
    assert all(a.startswith(b.rstrip("�")) for a, b in zip(texts(plain), texts(short), strict=True))


def test_prompts_that_hold_fewer_examples_are_counted(plan_of, run):
    found = run(plan_of(cells=[CELLS[0], {**CELLS[2], "examples": 5, "context_window": 90}]))
    assert [one.cut for one in found.cells] == [0, len(found.items)]


def test_an_item_that_fails_counts_as_wrong(plan_of, run, tmp_path):
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    rows[3]["text"] = "word " * 3000
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = run(plan_of(cells=CELLS[:1]))
    [report] = found.cells
    assert report.errors == 1
    assert texts(report)[3].startswith("error: ")
    assert len(report.results[0]) == len(found.items) == 10


@pytest.mark.parametrize(
    "damage", [b"{", b"[1]\n", b'{"id": "x"}\n', b'{"id": "x", "result": 1, "error": 2, "meta": 3}\n']
)
def test_results_that_are_damaged_are_named(plan_of, run, tmp_path, damage):
    run(plan_of(cells=CELLS[:1]), limit=2)
    [part] = tmp_path.glob("out/cells/*/part-*.jsonl")
    part.write_bytes(damage)
    with pytest.raises(InputError, match=r"part-00000.jsonl is damaged: remove it, and its items are computed again"):
        run(plan_of(cells=CELLS[:1]), limit=2)
    part.unlink()
    assert run(plan_of(cells=CELLS[:1]), limit=2).computed == 2


def test_the_peak_of_memory_is_that_of_this_process(plan_of, run):
    import resource

    [report] = run(plan_of(cells=CELLS[:1]), limit=2).cells
    assert report.cost.memory is not None
    assert 10**8 < report.cost.memory <= 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + 2**24


def test_a_text_with_other_line_separators_is_one_item(plan_of, run, tmp_path):
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    rows[0]["text"] = "one\u2028two\x85three\x1cfour"
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = tmp_path / "out"
    assert run(plan_of(cells=CELLS[:1]), limit=2).computed == 2
    [part] = folder.glob("cells/*/part-*.jsonl")
    assert "\u2028" in part.read_text(encoding="utf-8")
    assert run(plan_of(cells=CELLS[:1]), limit=2).computed == 0


def test_cells_that_sample_are_repeated_with_seeds_of_their_own(plan_of, run, tmp_path):
    cells = [CELLS[0], {"name": "hot", "prompt": "none", "temperature": 2.0}]
    found = run(plan_of(cells=cells, repeats=3), limit=4)
    assert [len(one.results) for one in found.cells] == [1, 3]
    assert found.computed == 4 + 3 * 4
    assert len({one.text for repeat in found.cells[1].results for one in repeat}) > 4
    seeds = {
        json.loads(path.read_text())["spec"]["settings"].get("seed")
        for path in tmp_path.glob("out/cells/hot-*/_manifest.json")
    }
    assert seeds == {0, 1, 2}


def test_the_best_is_chosen_on_some_items_and_reported_on_others(plan_of, run):
    found = run(plan_of(cells=CELLS), holdout=0.5)
    assert found.chosen_on + len(found.items) == 8
    assert found.chosen_on > 0


def test_optimizing_runs_the_best_and_the_baseline_on_the_items_that_are_reported(plan_of, run, tmp_path):
    plan = plan_of(cells=[*CELLS, {"name": "fourth", "prompt": "summarize-dialogue"}], optimize=True)
    found = run(plan, holdout=0.5)
    assert found.rounds[-1].kept == (found.best,)
    assert {one.cell.name for one in found.cells} == {found.baseline, found.best}
    write_prompt(plan.find_cell("shown"), plan.task, read_data(plan), plan.seed, tmp_path / "best.md")
    prompt = TaskPrompt.load(tmp_path / "best.md")
    assert [example["output"] for example in prompt.examples] == ["A cup.", "A pen."]


def test_halving_keeps_the_better_half_on_twice_the_items(plan_of):
    plan = plan_of(cells=[{"name": name} for name in "abcdefgh"])
    calls = []

    def score(cell, items):
        calls.append((cell.name, len(items)))
        return "abcdefgh".index(cell.name)

    best, rounds = find_best(plan.cells, list(range(64)), score)
    assert best.name == "h"
    assert [(one.items, len(one.scores), len(one.kept)) for one in rounds] == [(16, 8, 4), (32, 4, 2), (64, 2, 1)]
    assert len(calls) == 14


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("classify", {"reference": "label", "cells": [{"name": "a"}, {"name": "b", "examples": 2}]}),
        (
            "summarize",
            {"example_rows": 3, "cells": [{"name": "a"}, {"name": "b", "examples": 1, "selector": "lexical"}]},
        ),
        ("entities", {"reference": "spans", "cells": [{"name": "a"}]}),
        ("answer", {"input": "question", "context": "text", "embedder": "none", "cells": [{"name": "a"}]}),
    ],
)
def test_each_task_runs_its_chain(plan_of, run, tmp_path, task, changes):
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    added = {"question": "What is on the table?", "spans": [{"start": 4, "end": 7, "label": "thing"}]}
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({**row, **added}) + "\n" for row in rows))
    found = run(plan_of(task=task, **changes), limit=4)
    assert [one.errors for one in found.cells] == [0] * len(found.cells)
    assert all(np.isfinite(figure.value) for one in found.cells for figure in one.figures.values())


def test_a_folder_of_something_else_is_refused(plan_of, run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is no output of llmkit compare"):
        run(plan_of(cells=CELLS))


def test_a_wrong_baseline_or_metric_is_refused_before_anything_is_computed(plan_of, run, monkeypatch):
    monkeypatch.setattr(cell_runs, "run_batch", None)
    with pytest.raises(InputError, match="no cell is called 'x'"):
        run(plan_of(cells=CELLS), baseline="x")
    with pytest.raises(InputError, match="accuracy"):
        run(plan_of(cells=CELLS, metrics=["accuracy"]))


def sample(right):
    rows = np.stack([np.array(right, float), np.ones(len(right))], axis=1)
    return Sample(METRICS["accuracy"], [rows], None)


def test_verdicts_say_better_worse_the_same_or_how_many_items_would_tell():
    base = sample([1, 0] * 50)
    found = judge(
        [sample([1] * 100), sample([0] * 100), sample([1, 0] * 50), sample([1, 0] * 48 + [1, 1, 1, 0])], base, seed=0
    )
    assert [one.verdict for one in found[:3]] == ["better", "worse", "the same"]
    assert found[3].verdict == "cannot tell with 100; 1,200 would"
    assert found[0].corrected == pytest.approx(4 * found[0].p_value)
    assert found[1].is_worse_by(0.3, METRICS["accuracy"])
    assert not found[1].is_worse_by(0.5, METRICS["accuracy"])
    assert not found[3].is_worse_by(0.0, METRICS["accuracy"])


def test_progress_counts_the_results_of_all_cells(plan_of, run):
    told = []
    run(plan_of(cells=CELLS), limit=4, progress=lambda *step: told.append(step))
    names = [cell["name"] for cell in CELLS]
    assert [step for step in told if step[1] % 4 == 0] == [
        *((name, done, 4 * len(names)) for at, name in enumerate(names) for done in (4 * at, 4 * at + 4))
    ]
    told.clear()
    run(plan_of(cells=CELLS), limit=4, progress=lambda *step: told.append(step))
    assert told == []  # everything was there


def test_a_note_says_that_few_items_have_intervals_that_are_too_narrow(plan_of, run):
    few = "3 items are few: intervals of fewer than 8 are too narrow."
    assert few in notes_of(run(plan_of(cells=CELLS), limit=3))
    assert not any("too narrow" in note for note in notes_of(run(plan_of(cells=CELLS))))


def test_one_of_many_cells_is_not_proved_worse_by_its_interval_alone():
    base = sample([1] * 60 + [0] * 40)
    slightly = sample([1] * 54 + [0] * 46)
    [alone] = judge([slightly], base, seed=0)
    among_many = judge([slightly, *[sample([1, 0] * 50)] * 19], base, seed=0)[0]
    assert alone.interval.high < 0
    assert alone.p_value < 0.05 < among_many.corrected
    assert alone.is_worse_by(0.0, METRICS["accuracy"])
    assert not among_many.is_worse_by(0.0, METRICS["accuracy"])
