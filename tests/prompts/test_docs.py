"""docs/prompts.md says what is so: its code runs, and its table is the one that is printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from llmkit import HuggingFaceChat
from llmkit.prompts import TaskPrompt

DOCS = Path(__file__).parents[2] / "docs" / "prompts.md"


@pytest.fixture(scope="module")
def names(default_llm: HuggingFaceChat) -> dict[str, Any]:
    """What the page's code leaves behind, run from top to bottom with the answer kept short."""
    found: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL):
        code = code.replace("fitted, max_new_tokens=40", "fitted, max_new_tokens=4")
        code = code.replace("(llm, max_new_tokens=40)", "(llm, max_new_tokens=4)")
        exec(code.replace("llm = HuggingFaceChat()", "llm = given"), found | {"given": default_llm}, found)
        if "fitted" in found:
            found.setdefault("first", found["fitted"])
    return found


def test_the_code_runs(names):
    assert 0 < names["answer"].usage_metadata["output_tokens"] <= 4
    assert names["fitted"].text.startswith("System:\nClassify the text into one of: sport, politics.")


def test_the_table_is_the_one_that_is_printed(names):
    assert f"```\n{names['first'].report}\n```" in DOCS.read_text(encoding="utf-8")


def test_the_prompt_text_can_be_loaded(tmp_path):
    [text] = re.findall(r"```\n(---\n.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "mine.md"
    path.write_text(text, encoding="utf-8")
    assert TaskPrompt.load(path).examples[0]["output"] == "2 francs"
