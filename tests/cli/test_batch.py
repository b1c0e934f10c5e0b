import json

import pytest

from llmkit.batch import ChainSpec
from tests.support.batch_runs import read_parts, without_meta, write_rows

TEXTS = ["The match ended 3 to 2.", "", "The vote is on Monday."]


@pytest.fixture
def source(tmp_path):
    return str(write_rows(tmp_path / "in.jsonl", TEXTS))


@pytest.mark.slow
@pytest.mark.usefixtures("default_model")
def test_rows_are_classified_and_a_bad_one_has_an_error(llmkit, source, tmp_path):
    output = tmp_path / "out"
    command = ["batch", "classify", source, "--output", str(output), "--labels", "sports,politics"]
    code, out, err = llmkit(*command, "--json")
    assert (code, err) == (
        1,
        "error: 1 of 3 documents failed, first id 1: the text is empty: give some text; --retry-failed tries again\n",
    )
    facts = json.loads(out)
    assert (facts["rows"], facts["computed"], facts["failed"]) == (3, 3, 1)
    rows = read_parts(output)
    assert [set(row["result"]["scores"]) if row["result"] else None for row in rows] == [
        {"sports", "politics"},
        None,
        {"sports", "politics"},
    ]
    code, out, _ = llmkit(*command)
    assert code == 1
    assert out.startswith(f"3 documents are in {output}; 0 computed in ")
    lines = tmp_path / "lines.jsonl"
    assert llmkit("classify", source, "--lines", "--output", str(lines), "--labels", "sports,politics")[0] == 1
    for row, line in zip(without_meta(rows), map(json.loads, lines.read_text().splitlines()), strict=True):
        assert ("error" in line) is (row["error"] is not None)
        assert (row["result"] or {}).items() <= line.items()


@pytest.mark.usefixtures("default_model_folder")
def test_other_options_are_refused(llmkit, source, tmp_path, monkeypatch):
    output = tmp_path / "out"
    monkeypatch.setattr("llmkit.batch.worker.ChainWorker.outcomes", lambda self, texts: [(None, None, "{}")] * 3)
    command = ["batch", "classify", source, "--output", str(output)]
    llmkit(*command, "--labels", "sports,politics", "--threshold", "0.5")
    code, _, err = llmkit(*command, "--labels", "sports,politics", "--threshold", "0.6")
    assert code == 2
    assert "has results of another run, which are not mixed (threshold is 0.6, and was 0.5)" in err
    assert "run the command that began it" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["classify", "in.jsonl", "--labels", "a,b"], "Missing option '--output'"),
        (["classify", "none.jsonl", "--output", "out", "--labels", "a,b"], "there is no such file or folder"),
        (["classify", "in.jsonl", "--output", "out"], "there are no labels"),
        (
            ["classify", "in.jsonl", "more.jsonl", "--output", "out", "--labels", "a,b"],
            "one file, or a folder with all",
        ),
        (["entities", "in.jsonl", "--output", "out", "--id-column", "key"], "has no column 'key', but id, text, extra"),
        (["ask", "in.jsonl", "--output", "out"], "ask needs either a question or the column"),
        (["summarize", "in.jsonl", "--output", "out", "--prompt", "none"], "no prompt is called 'none'"),
        (["entities", "in.jsonl", "--output", "in.jsonl"], "is the input: name another folder for --output"),
    ],
)
def test_what_is_wrong_fails_before_any_work(llmkit, source, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    code, out, err = llmkit("batch", *arguments)
    assert (code, out) == (2, "")
    assert says in err


def test_settings_of_a_command_are_those_of_its_batch(llmkit, source, tmp_path, monkeypatch):
    specs: list[ChainSpec] = []
    monkeypatch.setenv("LLMKIT_MODEL", "minilm-l6")
    monkeypatch.setenv("LLMKIT_CLASSIFY_THRESHOLD", "0.7")
    monkeypatch.setattr("llmkit.cli.batch.BatchOptions.run", lambda self, file, spec: specs.append(spec))
    llmkit("batch", "classify", source, "--output", str(tmp_path / "out"), "--labels", "a,b", "--dtype", "float32")
    [spec] = specs
    assert (spec.model, spec.arguments["threshold"], spec.dtype) == ("minilm-l6", 0.7, "float32")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["entities"], "entities"),
        (["summarize", "--max-words", "5", "--max-new-tokens", "3"], "strategy"),
        (["ask", "--question", "When is the vote?"], "citations"),
    ],
)
def test_each_task_has_its_batch(llmkit, source, tmp_path, tiny_model, arguments, field):
    command, *others = arguments
    code, _, err = llmkit("batch", command, source, "--output", str(tmp_path / "out"), *others, *tiny_model)
    assert code == 1, err
    assert [field in (row["result"] or {}) for row in read_parts(tmp_path / "out")] == [True, False, True]
