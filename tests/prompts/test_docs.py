"""docs/prompts.md is correct: its code runs and prints its table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from llmkit import HuggingFaceChat
from llmkit.prompts import TaskPrompt

DOCS = Path(__file__).parents[2] / "docs" / "prompts.md"


@pytest.fixture(scope="module")
def variables(default_llm: HuggingFaceChat) -> dict[str, Any]:
    """Run the page's code from top to bottom with short answers, and return its variables."""
    variables_so_far: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL):
        code = code.replace("fitted, max_new_tokens=40", "fitted, max_new_tokens=4")
        code = code.replace("(llm, max_new_tokens=40)", "(llm, max_new_tokens=4)")
        exec(
            code.replace("llm = HuggingFaceChat()", "llm = given"),
            variables_so_far | {"given": default_llm},
            variables_so_far,
        )
        if "fitted" in variables_so_far:
            variables_so_far.setdefault("first", variables_so_far["fitted"])
    return variables_so_far


@pytest.mark.slow
def test_the_code_of_the_page_runs(variables):
    assert 0 < variables["answer"].usage_metadata["output_tokens"] <= 4
    assert variables["fitted"].text.startswith("System:\nClassify the text into one of: sport, politics.")


def test_the_table_of_the_page_equals_the_printed_report(variables):
    assert f"```\n{variables['first'].report}\n```" in DOCS.read_text(encoding="utf-8")


def test_the_prompt_text_of_the_page_can_be_loaded(tmp_path):
    [text] = re.findall(r"```\n(---\n.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "mine.md"
    path.write_text(text, encoding="utf-8")
    assert TaskPrompt.load(path).examples[0]["output"] == "2 francs"
