"""`llmkit compare`: what a person sees, the report, and the exit codes."""

import json
import re

import pytest

WORDS = ("cup", "pen", "hat", "key", "map", "jar")
ROWS = [{"text": f"The {word} is here.", "summary": f"A {word}."} for word in WORDS]
PLAN = """task = "generate"
data = "rows.jsonl"
input = "text"
reference = "summary"
metrics = ["length", "rouge1"]
model = {model}
dtype = "float32"
max_new_tokens = 5
[[cells]]
name = "plain <b>"
prompt = "none"
[[cells]]
name = "asked"
prompt = "summarize-text"
"""


@pytest.fixture
def plan(tmp_path, tiny_model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.format(model=json.dumps(tiny_model[1])))
    return path


def test_a_table_a_sentence_and_a_report(llmkit, plan, tmp_path):
    code, out, err = llmkit("compare", str(plan), "--output", "runs")
    assert code == 0
    lines = out.splitlines()
    assert re.split(r"  +", lines[0]) == ["cell", "length", "rouge1", "tokens in", "out", "seconds", "MB", "verdict"]
    assert [re.split(r"  +", line)[0] for line in lines[1:3]] == ["plain <b>", "asked"]
    assert re.search(r"(best length|baseline, has the best)", lines[-1])
    assert "the report is runs/report.html" in err
    report = (tmp_path / "runs" / "report.html").read_text()
    assert "plain &lt;b&gt;" in report
    assert "plain <b>" not in report
    assert not re.search(r"(src|href)=|@import|url\(", report)
    assert (tmp_path / "runs" / "differences.svg").read_text().startswith("<svg")
    found = json.loads((tmp_path / "runs" / "results.json").read_text())
    assert [cell["name"] for cell in found["cells"]] == ["plain <b>", "asked"]
    assert found["items"] == 6
    again, same, _ = llmkit("compare", str(plan), "--output", "runs", "--json")
    assert (again, json.loads(same)) == (0, found)


def test_a_cell_that_is_proved_worse_has_an_exit_code_of_its_own(llmkit, plan, monkeypatch):
    from llmkit.evaluation.comparison import Comparison

    assert llmkit("compare", str(plan), "--output", "runs", "--fail-if-worse", "0")[0] == 0  # a length is never worse
    monkeypatch.setattr(Comparison, "worse_cells", lambda self, margin: ["asked"])
    code, out, err = llmkit("compare", str(plan), "--output", "runs", "--fail-if-worse", "0.02")
    assert code == 3
    assert "error: proved worse than plain <b> by more than 0.02: asked" in err
    assert out


def test_what_is_wrong_is_refused_before_any_work(refused, plan, tmp_path):
    assert "cannot be read" in refused("compare", "none.toml", "--output", "runs")
    assert "no cell is called 'x'" in refused("compare", str(plan), "--output", "runs", "--only", "x")
    assert "no cell is called 'x'" in refused("compare", str(plan), "--output", "runs", "--baseline", "x")
    plan.write_text(plan.read_text() + "size = 3\n")
    assert "cell 'asked' has the unknown key 'size'" in refused("compare", str(plan), "--output", "runs")
    assert not (tmp_path / "runs").exists()
