"""The page about comparing says what is so: its plan is one, and its code runs."""

import json
import re
from pathlib import Path
from typing import Any

from llmkit.evaluation import Plan
from tests.evaluation.conftest import ROWS

PAGE = (Path(__file__).parents[2] / "docs" / "compare.md").read_text(encoding="utf-8")


def test_the_plan_and_the_code_of_the_page_run(tmp_path, monkeypatch, model_folder, capsys):
    monkeypatch.chdir(tmp_path)
    plan, matrix = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    Path("plan.toml").write_text(f"model = {json.dumps(model_folder)}\n{plan}")
    rows = [{"dialogue": row["text"], "summary": row["summary"]} for row in ROWS]
    Path("dialogues.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(" ")[-1] in ("True", "False")
    assert [line[: len(name)] for line, name in zip(lines[1:], ["no prompt", "three examples"], strict=True)] == [
        "no prompt",
        "three examples",
    ]
    found = names["found"]
    assert json.loads(Path("runs/dialogues/results.json").read_text()) == json.loads(found.to_json())
    assert 0 < len(found.items) < len(rows) - 3
    assert Path("runs/dialogues/report.html").exists()

    Path("own-prompt.md").write_text("---\ntask: summarize\n---\nShorten this.\n")
    Path("matrix.toml").write_text(re.sub(r"\[\[cells\]\].*", "", plan, flags=re.DOTALL) + matrix)
    assert len(Plan.load("matrix.toml").cells) == 3 * 3 * 2
