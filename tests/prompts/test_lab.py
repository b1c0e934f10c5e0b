"""The prompting lab in examples/: its prompts, and a run on the default model."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.counting import CountingChat

LAB = Path(__file__).parents[2] / "examples" / "prompting_lab.py"
EXAMPLES = [{"input": f"A: {word}?\nB: Yes.", "output": f"B agrees to {word}."} for word in ("tea", "walk", "sing")]


@pytest.fixture(scope="module")
def lab() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prompting_lab", LAB)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_lab_has_a_prompt_for_each_step(lab):
    steps = {
        trial.name: trial.prompt.fit("C: Hi.", model=CountingChat(context_window=999), max_new_tokens=10)
        for trial in lab.trials(EXAMPLES)
    }
    assert list(steps) == [
        "no prompt",
        "instruction",
        "FLAN template",
        "one-shot",
        "few-shot",
        "few-shot, 10 tokens",
        "few-shot, temperature 0.1",
        "few-shot, temperature 0.5",
        "few-shot, temperature 1.0",
    ]
    assert steps["no prompt"].text == "User:\nC: Hi."
    assert steps["instruction"].text == (
        "System:\nSummarize the following conversation.\n\nUser:\nC: Hi.\n\nAssistant:\nSummary:"
    )
    assert steps["FLAN template"].text == "Dialogue:\n\nC: Hi.\n\nWhat was going on?"
    assert steps["one-shot"].text == (
        "Dialogue:\n\nA: tea?\nB: Yes.\n\nWhat was going on?\nB agrees to tea.\n\n\n"
        "Dialogue:\n\nC: Hi.\n\nWhat was going on?"
    )
    assert [len(step.examples) for step in steps.values()] == [0, 0, 0, 1, 3, 3, 3, 3, 3]


@pytest.mark.slow
def test_the_lab_generates_a_short_answer(lab, default_llm):
    llm = default_llm
    trial = lab.trials(EXAMPLES)[5]
    fitted, text = lab.answer(trial, "C: Hi.\nD: Bye.", llm)
    assert 0 < llm.get_num_tokens(text) <= 10
    assert "\n\n\n" not in text
    assert fitted.tokens == llm.get_num_tokens_from_messages(fitted.messages)


def test_the_lab_reads_rows_from_json_lines(lab, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"row": 40, "dialogue": " A: Hi. \n", "summary": "A greets.", "topic": "x"}]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    assert lab.read(path) == {40: {"input": "A: Hi.", "output": "A greets."}}
