"""docs/summarization.md and docs/classification.md say what is so: their code runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from llmkit import HuggingFaceChat

DOCS = Path(__file__).parents[2] / "docs"


def run(page: str, folder: Path) -> dict[str, Any]:
    """Run a page's code from top to bottom, and give what it leaves behind."""
    names: dict[str, Any] = {"given": HuggingFaceChat(model=str(folder), temperature=0)}
    for code in re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL):
        exec(re.sub(r"llm = HuggingFaceChat\(.*\)", "llm = given", code), names)
    return names


def test_summarization(default_model_folder, capsys):
    names = run("summarization.md", default_model_folder)
    assert names["summary"].strategy == "map_reduce"
    assert "".join(passage.text for passage in names["summary"].passages) == names["long"]
    printed = capsys.readouterr().out.splitlines()
    assert 0 < len(printed[0].split()) <= 40
    assert f"{len(names['long']):5}: {names['summary'].passages[-1].summary}" in printed[-2]
    assert printed[-1] == "1 of 1"
    assert names["streamed"]


def test_classification(default_model_folder):
    names = run("classification.md", default_model_folder)
    assert names["result"].label == "sports"
    assert names["plain"].scores["educion"] < 0.001 < names["ours"].scores["educion"]
    assert names["ours"].label == "education"
    assert names["fit"].log_loss_after <= names["fit"].log_loss_before
    assert names["topics"].invoke(names["text"]).scores.keys() == {"sports", "politics", "money"}
    assert names["codes"].invoke("Who wrote Hamlet?").label == "HUM"
