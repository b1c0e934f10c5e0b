"""Plans: what they mean, and what is refused before any work."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from llmkit.errors import LlmkitError
from llmkit.evaluation.cell_chain import prompt_of
from llmkit.evaluation.items import read_data
from llmkit.evaluation.plan import Plan
from tests.support.counting import CountingChat

HEAD = {"task": "generate", "data": "rows.jsonl", "input": "text", "reference": "summary"}


def names(plan):
    return [cell.name for cell in plan.cells]


def test_a_matrix_has_a_cell_for_each_combination_named_by_what_differs():
    plan = Plan.parse(
        {**HEAD, "matrix": {"prompt": ["none", "summarize-text"], "examples": [0, 1], "temperature": 0.5}}
    )
    assert names(plan) == [
        "no prompt, 0 examples",
        "no prompt, 1 example",
        "summarize-text, 0 examples",
        "summarize-text, 1 example",
    ]
    assert {cell.settings["temperature"] for cell in plan.cells} == {0.5}
    assert plan.most_examples == 1


def test_a_matrix_has_no_two_cells_that_only_differ_in_a_selector_of_no_examples():
    plan = Plan.parse({**HEAD, "matrix": {"examples": [0, 2], "selector": ["first", "lexical"]}})
    assert names(plan) == ["0 examples", "2 examples, first", "2 examples, lexical"]


def test_keys_at_the_top_hold_for_all_cells_that_do_not_say_otherwise():
    cells = [{"name": "a"}, {"name": "b", "max_new_tokens": 9, "prompt": "none"}]
    plan = Plan.parse({**HEAD, "max_new_tokens": 5, "prompt": "summarize-text", "cells": cells})
    assert [cell.settings["max_new_tokens"] for cell in plan.cells] == [5, 9]
    assert [cell.prompt for cell in plan.cells] == ["summarize-text", "none"]


def test_cells_take_the_likeliest_token_unless_a_setting_says_otherwise():
    cells = [{"name": "a"}, {"name": "b", "top_p": 0.9}, {"name": "c", "num_beams": 2}, {"name": "d", "temperature": 1}]
    found = Plan.parse({**HEAD, "cells": cells}).cells
    assert [cell.settings.get("temperature") for cell in found] == [0, None, None, 1]
    assert [cell.is_sampled for cell in found] == [False, True, False, True]


def test_what_is_no_setting_is_an_argument_of_the_chain_of_the_task():
    plan = Plan.parse({**HEAD, "task": "summarize", "cells": [{"name": "a", "strategy": "map_reduce", "top_p": 0.9}]})
    [cell] = plan.cells
    assert (cell.arguments, cell.settings) == ({"strategy": "map_reduce"}, {"top_p": 0.9})


def test_a_plan_is_read_from_a_file_and_its_paths_are_relative_to_it(tmp_path):
    (tmp_path / "own.md").write_text("---\ntask: summarize\n---\nShorten this.\n")
    path = tmp_path / "plan.toml"
    path.write_text(
        'task = "generate"\ndata = "rows.jsonl"\ninput = "text"\nreference = "summary"\n[[cells]]\nname = "own"\n'
        'prompt = "own.md"\n'
    )
    plan = Plan.load(path)
    assert plan.data == tmp_path / "rows.jsonl"
    assert "Shorten this." in plan.cells[0].prompt


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "dance"}, "task is 'dance', but must be one of generate, summarize"),
        ({"data": 3}, "data is 3, but must be a text"),
        ({"input": None}, "input is None"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"repeats": 0}, "repeats must be at least 1"),
        ({"example_data": "a.jsonl", "example_rows": 3}, "give one of them"),
        ({"seed": True}, "seed is True, but must be a whole number"),
        ({"metrics": "rouge1"}, "metrics is 'rouge1', but must be a list of texts"),
        ({"matrix": {"prompt": []}}, "prompt of the matrix has no values"),
        ({"matrix": 3}, "matrix must be a table"),
        ({"cells": [{"prompt": "none"}]}, "needs a line of text"),
        ({"cells": [{"name": "a"}, {"name": "a"}]}, "two cells are called 'a'"),
        ({"cells": [{"name": "a\x1b[31m"}]}, "needs a line of text"),
        ({"cells": [{"name": "a", "size": 3}]}, "cell 'a' has the unknown key 'size'"),
        ({"cells": [{"name": "a", "temperature": -1}]}, "cell 'a': temperature"),
        ({"cells": [{"name": "a", "examples": -1}]}, "must not be negative"),
        ({"cells": [{"name": "a", "examples": True}]}, "examples is True, but must be a whole number"),
        ({"cells": [{"name": "a", "selector": "best"}]}, "selector is 'best', but must be one of first"),
        ({"cells": [{"name": "a", "prompt": "no-such"}]}, "no prompt text is called 'no-such'"),
        ({"task": "classify", "cells": [{"name": "a", "prompt": "none"}]}, "is for generate and summarize"),
        ({"task": "answer", "cells": [{"name": "a", "selector": "similar"}]}, "not for answer"),
    ],
)
def test_what_is_wrong_is_refused(change, message):
    with pytest.raises(LlmkitError, match=message):
        Plan.parse({**HEAD, **change})


@pytest.mark.parametrize("missing", HEAD)
def test_what_is_missing_is_named(missing):
    with pytest.raises(LlmkitError, match=missing):
        Plan.parse({key: value for key, value in HEAD.items() if key != missing})


@pytest.mark.parametrize(
    ("content", "message"), [(b"task = ", "is not TOML"), (b"\xff", "is not TOML"), (None, "cannot be read")]
)
def test_a_file_that_is_no_plan_is_refused(tmp_path, content, message):
    path = tmp_path / "plan.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LlmkitError, match=message):
        Plan.load(path)


def test_some_cells_keep_the_baseline():
    plan = Plan.parse({**HEAD, "cells": [{"name": name} for name in "abc"]})
    assert names(plan.with_only(["c"])) == ["a", "c"]
    assert names(plan.with_only(["c"], "b")) == ["b", "c"]
    assert names(plan.with_only([])) == ["a", "b", "c"]
    with pytest.raises(LlmkitError, match="no cell is called 'x': there are a, b, c"):
        plan.with_only(["x"])


def test_the_lab_in_the_examples_has_a_prompt_for_each_step(tmp_path):
    plan = Plan.load(Path(__file__).parents[2] / "examples" / "prompting_lab.toml")
    words = ("tea", "walk", "sing", "row")
    rows = [{"dialogue": f"A: {word}?\nB: Yes.", "summary": f"B agrees to {word}."} for word in words]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = read_data(replace(plan, data=tmp_path / "rows.jsonl"))
    fitted = {
        cell.name: prompt_of(cell, plan.task, data, plan.seed).fit(
            data.items[0].text, model=CountingChat(context_window=999), max_new_tokens=10
        )
        for cell in plan.cells
    }
    assert {name: len(prompt.examples) for name, prompt in fitted.items()} == {
        "no prompt": 0,
        "instruction": 0,
        "FLAN template": 0,
        "three examples, 10 tokens": 3,
        **{f"1 example, temperature {temperature}": 1 for temperature in (0, 0.5, 1.0)},
        **{f"3 examples, temperature {temperature}": 3 for temperature in (0, 0.5, 1.0)},
    }
    dialogue = "A: row?\nB: Yes."
    assert fitted["no prompt"].text == f"User:\n{dialogue}"
    assert fitted["instruction"].text == (
        f"System:\nSummarize the text in one short sentence. Say who does what.\n\nUser:\n{dialogue}\n\n"
        "Assistant:\nIn short,"
    )
    assert fitted["FLAN template"].text == f"Dialogue:\n\n{dialogue}\n\nWhat was going on?"
    assert fitted["1 example, temperature 0"].text == (
        "Dialogue:\n\nA: tea?\nB: Yes.\n\nWhat was going on?\nB agrees to tea.\n\n\n"
        f"Dialogue:\n\n{dialogue}\n\nWhat was going on?"
    )
