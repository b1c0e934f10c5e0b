"""docs/summarization.md says what is so: its code runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from llmkit import HuggingFaceChat

DOCS = Path(__file__).parents[2] / "docs" / "summarization.md"


def test_the_code_runs(default_model_folder, capsys):
    llm = HuggingFaceChat(model=str(default_model_folder), temperature=0)
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL):
        exec(code.replace("llm = HuggingFaceChat(temperature=0)", "llm = given"), names | {"given": llm}, names)
    assert names["summary"].strategy == "map_reduce"
    assert "".join(passage.text for passage in names["summary"].passages) == names["long"]
    printed = capsys.readouterr().out.splitlines()
    assert 0 < len(printed[0].split()) <= 40
    assert f"{len(names['long']):5}: {names['summary'].passages[-1].summary}" in printed[-2]
    assert printed[-1] == "1 of 1"
    assert names["streamed"]
