"""The report and the plot: what they say, whatever the texts and figures are."""

import re
from dataclasses import replace

import pytest

from llmkit.evaluation.cell_runs import CellRuns
from llmkit.evaluation.comparison import compare_cells
from llmkit.evaluation.difference_plot import _round_step
from llmkit.evaluation.html_report import mark_changes, write_html
from llmkit.evaluation.items import read_data
from llmkit.evaluation.tables import headline


@pytest.fixture
def optimized(plan_of, tmp_path):
    cells = [{"name": "plain", "prompt": "none"}, {"name": "<b>", "prompt": "summarize-text"}]
    plan = plan_of(cells=cells, optimize=True, metrics=["length"])
    data = read_data(plan)
    return compare_cells(plan, data, CellRuns(plan, data, tmp_path / "out"), holdout=0.5)


def test_a_report_says_how_the_best_was_found(optimized):
    page = write_html(optimized)
    assert "rows.jsonl: 2 ways to generate" in page
    [table] = re.findall(r"How the best was found: length of each round</h2>.*?</table>", page)
    head, *names = re.findall(r"<th>([^<]*)</th>", table)
    assert (head, names[0], {*names[1:]}) == ("cell", f"{optimized.chosen_on} items", {"plain", "&lt;b&gt;"})
    for score in optimized.rounds[0].scores.values():
        assert f"{score:.3f}" in table


def test_texts_are_shown_in_their_own_direction(optimized):
    page = write_html(optimized)
    assert page.count('class="text"') == page.count('class="text" dir="auto"') > 0


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        (["worse"], "; the other is proved worse."),
        (["the same"], "; the other is not proved worse."),
        (["worse", "better"], "; 1 of 2 others is proved worse."),
        (["the same", "the same"], "; none of 2 others are proved worse."),
    ],
)
def test_the_sentence_says_how_many_are_worse_than_a_baseline_that_is_best(plan_of, tmp_path, verdicts, words):
    plan = plan_of(cells=[{"name": f"{number}"} for number in range(len(verdicts) + 1)], metrics=["length"])
    data = read_data(plan, 3)
    found = compare_cells(plan, data, CellRuns(plan, data, tmp_path / "out"))
    base, *others = found.cells
    judged = [
        replace(one, differences={"length": replace(one.differences["length"], verdict=verdict)})
        for one, verdict in zip(others, verdicts, strict=True)
    ]
    assert headline(replace(found, best="0", cells=(base, *judged))).endswith(words)


def test_words_that_differ_are_marked():
    assert mark_changes("a <b> c", "a x c") == "a <mark>&lt;b&gt;</mark> c"


@pytest.mark.parametrize("largest", [1e-12, 3e-7, 0.2, 1.0, 4.0, 9.99, 12345.0, 1e15])
def test_a_step_of_a_plot_is_round_and_two_to_five_reach_the_largest_value(largest):
    step = _round_step(largest)
    assert 1.5 <= largest / step <= 4 + 1e-9
    assert f"{step:.0e}"[0] in "125"
