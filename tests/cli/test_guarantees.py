"""`--calibrate FILE --error NUMBER` of the commands: the guarantee is printed, and stands in `--json`."""

import json

import pytest

LABELS = ["--labels", "animal,city"]


@pytest.fixture
def labelled(llmkit, tiny_model, tmp_path):
    """Return a function that labels texts as a tiny model does, and writes them into a file."""

    def write(count):
        texts = tmp_path / "texts.txt"
        texts.write_text("\n".join(f"text {number}" for number in range(count)))
        _, out, _ = llmkit("classify", str(texts), *LABELS, *tiny_model, "--lines", "--json")
        rows = [
            {"input": f"text {number}", "output": json.loads(line)["label"]}
            for number, line in enumerate(out.splitlines())
        ]
        path = tmp_path / "rows.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        return str(path)

    return write


@pytest.mark.slow
def test_classify_guarantees_an_error(llmkit, tiny_model, labelled):
    given = ["classify", *LABELS, *tiny_model, "--calibrate", labelled(30), "--error", "0.1"]
    found = json.loads(llmkit(*given, "--json", stdin="Hello")[1])
    assert (found["calibration"]["holds"], found["calibration"]["rows"]) == (True, 30)
    assert (found["guarantee"]["error"], found["guarantee"]["confidence"]) == (0.1, 0.95)
    code, _, err = llmkit(*given, "--confidence", "0.9", stdin="Hello")
    assert code == 0
    assert err.startswith(
        "note: of the labels at most 10 % are wrong, with a confidence of 90 %: with the threshold 0,"
    )


@pytest.mark.slow
def test_classify_says_what_would_be_needed(llmkit, tiny_model, labelled):
    code, out, err = llmkit(
        "classify", *LABELS, *tiny_model, "--calibrate", labelled(10), "--error", "0.1", stdin="Hello"
    )
    assert (code, "*" in out) == (0, True)
    assert err.startswith("note: nothing is guaranteed; 10 of 10 rows can be answered; at least 29 answers are needed")


@pytest.mark.slow
def test_ask_is_calibrated_with_questions(llmkit, tiny_model, tmp_path):
    text = "Ada built the mill in 1821. The lamp burned oil."
    path = tmp_path / "rows.jsonl"
    rows = [{"input": text, "question": f"Who built it in {year}?", "output": None} for year in range(1800, 1806)]
    path.write_text("\n".join(map(json.dumps, rows)))
    given = ["ask", "Who?", "--file", "-", *tiny_model, "--calibrate", str(path)]
    found = json.loads(llmkit(*given, "--error", "0.5", "--json", stdin=text)[1])
    assert not found["calibration"]["holds"]
    assert found["calibration"]["must_abstain"] == 1
    assert "guarantee" not in found
    _, _, err = llmkit(*given, stdin=text)
    assert "calibrated with 6 questions: threshold " in err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--error", "0.1"], "--error needs labelled texts: give --calibrate FILE"),
        (["--calibrate", "ROWS", "--error", "1"], "--error is 1, but must be above 0 and below 1"),
        (["--calibrate", "ROWS", "--error", "0.1", "--confidence", "0"], "--confidence is 0, but must be above 0"),
        (["--calibrate", "ROWS", "--error", "0.1", "--precision", "0.9"], "--error and --precision are both given"),
        (["--calibrate", "ROWS", "--confidence", "0.9"], "--confidence is that of a guarantee: give --error, too"),
    ],
)
@pytest.mark.parametrize("command", [["classify", *LABELS], ["entities"], ["ask", "Who?", "--file", "-"]])
def test_what_makes_no_sense_is_refused(refused, tmp_path, command, options, says):
    path = tmp_path / "rows.jsonl"
    output = [] if command[0] == "entities" else "city"
    path.write_text(json.dumps({"input": "a text", "question": "What?", "output": output}))
    assert says in refused(*command, *[str(path) if one == "ROWS" else one for one in options], stdin="Sun")
