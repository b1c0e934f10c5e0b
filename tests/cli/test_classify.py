import csv
import json
import re
import sys

import pytest

from tests.support.cli_runs import EXAMPLES, LABELS, parse_rows, resume_run, run_until_interrupted

TEXT = "The match ended 3 to 2 after extra time."


@pytest.mark.usefixtures("default_model")
class TestLabels:
    @pytest.mark.slow
    def test_a_file(self, llmkit, text_file):
        code, out, err = llmkit("classify", text_file, *LABELS)
        assert (code, err) == (0, "")
        rows = [line.split() for line in out.splitlines()]
        assert rows[0][:2] == ["*", "sports"]
        assert {row[0] for row in rows[1:]} == {"politics", "technology"}
        chances = [float(row[2 if row[0] == "*" else 1].rstrip("%")) for row in rows]
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) == pytest.approx(100, abs=0.2)
        assert rows[0][3].count("#") == len(rows[0][3]) == pytest.approx(24 * chances[0] / 100, abs=0.6)

    @pytest.mark.slow
    def test_standard_input_as_json(self, llmkit, text_file):
        code, out, err = llmkit("classify", *LABELS, "--json", stdin=TEXT)
        found = json.loads(out)
        assert (code, err, found["label"], found["labels"]) == (0, "", "sports", ["sports"])
        assert list(found["scores"]) == ["sports", "politics", "technology"]
        assert sum(found["scores"].values()) == pytest.approx(1)
        assert found["method"] == "likelihood"
        assert out == llmkit("classify", "-", "--labels", " sports , politics,technology", "--json", stdin=TEXT)[1]

    def test_into_a_file(self, llmkit, tiny_model, text_file, tmp_path):
        output = tmp_path / "out.json"
        given = ["classify", text_file, *LABELS, *tiny_model, "--json"]
        assert llmkit(*given, "--output", str(output)) == (0, "", "")
        assert json.loads(output.read_text(encoding="utf-8")) == json.loads(llmkit(*given)[1])
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "text.txt"]

    @pytest.mark.slow
    def test_multi_label(self, llmkit, text_file):
        _, out, _ = llmkit("classify", text_file, *LABELS, "--multi-label", "--json")
        found = json.loads(out)
        assert found["labels"][0] == "sports"
        assert found["labels"] == [label for label in found["labels"] if found["scores"][label] >= 0.5]
        _, out, _ = llmkit("classify", text_file, "--labels", "sports", "--multi-label")
        assert [line.split()[:2] for line in out.splitlines()] == [["*", "sports"]]

    def test_no_label_is_marked_below_the_threshold(self, llmkit, tiny_model, text_file):
        code, out, err = llmkit("classify", text_file, *LABELS, *tiny_model, "--threshold", "1")
        assert (code, out.count("*"), len(out.splitlines())) == (0, 0, 3)
        assert err == "note: no label is as likely as 1\n"
        assert llmkit("classify", text_file, *LABELS, *tiny_model, "--threshold", "1", "--quiet")[1:] == (out, "")

    @pytest.mark.slow
    def test_examples_in_a_file(self, llmkit, text_file, tmp_path):
        path = tmp_path / "examples.jsonl"
        lines = [json.dumps(each, ensure_ascii=False) for each in EXAMPLES]
        path.write_text("\ufeff" + "\r\n".join([*lines, "", " "]), encoding="utf-8")
        code, out, err = llmkit("classify", text_file, *LABELS, "--examples", str(path), "--json")
        assert (code, err) == (0, "")
        found = json.loads(out)
        assert found["label"] == "sports"
        path.write_text(json.dumps({"input": "A robot plays chess", "output": ["sports", "technology"]}))
        code, out, _ = llmkit("classify", text_file, *LABELS, "--examples", str(path), "--multi-label", "--json")
        assert (code, json.loads(out)["label"]) == (0, "sports")

    def test_the_effect_of_examples_is_reported(self, llmkit, tiny_model, text_file, tmp_path):
        path = tmp_path / "examples.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in EXAMPLES), encoding="utf-8")
        given = ["classify", text_file, *LABELS, *tiny_model, "--examples", str(path)]
        code, _, err = llmkit(*given)
        assert code == 0
        assert re.fullmatch(
            r"note: 5 examples (are|set) .*; cross-validated log-loss [\d.]+ without them, [\d.]+ with them; "
            r"also tried: (\w+ [\d.]+ instead of [\d.]+(, |; |\n)){2}.*\n?",
            err,
        )
        assert llmkit(*given, "--quiet")[2] == ""
        fields = json.loads(llmkit(*given, "--json")[1])["examples"]
        assert (fields["examples"], fields["measure"]) == (5, "log-loss")
        gains = {one["use"]: one["zero_shot_log_loss"] - one["log_loss"] - one["margin"] for one in fields["tried"]}
        assert set(gains) == {"calibration", "prior", "prompt"}
        assert fields["use"] == max(gains, key=gains.__getitem__)
        _, _, err = llmkit(*given, "--show-examples")
        assert err == "note: 5 examples are in the prompt\n"
        _, _, err = llmkit(*given, "--no-show-examples")
        assert "in the prompt" not in err.replace("are not in the prompt", "")

    def test_descriptions(self, llmkit, tiny_model, tmp_path):
        path = tmp_path / "descriptions.json"
        path.write_text('{"HUM": "a person", "LOC": "a place"}')
        given = ["classify", "--labels", "HUM,LOC", *tiny_model, "--json"]
        plain = llmkit(*given, stdin="Who wrote Hamlet?")[1]
        _, out, _ = llmkit(*given, "--descriptions", str(path), stdin="Who wrote Hamlet?")
        assert json.loads(out)["scores"].keys() == {"HUM", "LOC"}
        assert out != plain
        pairs = ["--descriptions", "HUM=a person", "--descriptions", "LOC=a place"]
        assert llmkit(*given, *pairs, stdin="Who wrote Hamlet?")[1] == out

    def test_calibrated_with_a_precision(self, llmkit, tiny_model, text_file, tmp_path):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in EXAMPLES), encoding="utf-8")
        given = ["classify", text_file, *LABELS, *tiny_model, "--calibrate", str(path), "--precision", "0.2"]
        found = json.loads(llmkit(*given, "--json")[1])
        assert found["calibrated"]
        assert found["calibration"]["rows"] == 5
        assert found["calibration"]["threshold"] <= 1
        code, _, err = llmkit(*given)
        assert code == 0
        few, calibrated = err.splitlines()
        assert few.startswith("note: 5 labelled rows are few to calibrate with")
        assert calibrated.startswith("note: calibrated with 5 texts: log-loss ")
        assert re.search(r"; threshold [01]\.\d\d$", calibrated)

    def test_another_prompt(self, llmkit):
        _, out, err = llmkit("classify", "--labels", "positive,negative", "--prompt", "sentiment", stdin="I love it.")
        assert (out.split()[:2], err) == (["*", "positive"], "")

    @pytest.mark.slow
    def test_a_table(self, llmkit, text_file, tmp_path):
        output = tmp_path / "out.csv"
        assert llmkit("classify", text_file, *LABELS, "--output", str(output)) == (0, "", "")
        with output.open(encoding="utf-8", newline="") as file:
            [row] = csv.DictReader(file)
        assert row["label"] == row["labels"] == "sports"
        assert {name for name in row if name.startswith("scores.")} == {
            "scores.sports",
            "scores.politics",
            "scores.technology",
        }
        source, output = tmp_path / "in.txt", tmp_path / "all.csv"
        source.write_text(f"{TEXT}\nThe parliament passed the law.\n")
        assert llmkit("classify", str(source), "--lines", *LABELS, "--output", str(output)) == (0, "", "")
        with output.open(encoding="utf-8", newline="") as file:
            assert [(row["line"], row["label"]) for row in csv.DictReader(file)] == [("1", "sports"), ("2", "politics")]

    @pytest.mark.slow
    def test_a_narrow_terminal(self, llmkit, text_file, monkeypatch):
        monkeypatch.setenv("COLUMNS", "40")
        _, out, _ = llmkit("classify", text_file, "--labels", "sports,日本の首都,politics and the law")
        lines = out.splitlines()
        assert all(len(line) <= 40 for line in lines)
        assert lines[0].rstrip("#").startswith("*  sports")
        assert lines[0].endswith("#")
        ends = [line.index("%") + sum(ord(character) > 0x2E7F for character in line) for line in lines]
        assert len(set(ends)) == 1  # wide characters take two cells

    def test_a_narrow_terminal_shows_no_bars(self, llmkit, tiny_model, text_file, monkeypatch):
        monkeypatch.setenv("COLUMNS", "40")
        long = "a label that is longer than the terminal"
        _, out, _ = llmkit("classify", text_file, *tiny_model, "--labels", f"sports,{long}")
        assert long in out
        assert "#" not in out

    @pytest.mark.slow
    def test_a_document_a_line(self, llmkit, tmp_path):
        documents = [TEXT, " ", "The match ended 3 to 2. " * 1200, "The parliament passed the law."]
        (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": each}) + "\n" for each in documents))
        code, out, err = llmkit("classify", str(tmp_path / "in.jsonl"), "--lines", *LABELS)
        rows = parse_rows(out)
        assert [row["line"] for row in rows] == [1, 2, 3, 4]
        assert (code, err) == (1, "error: 1 of 4 documents failed, first line 2: the line is empty\n")
        assert rows[1]["error"] == "the line is empty"
        assert [row["passages"] > 1 for row in (rows[0], rows[2], rows[3])] == [False, True, False]
        assert [rows[0]["label"], rows[3]["label"]] == ["sports", "politics"]
        alone = json.loads(llmkit("classify", *LABELS, "--json", stdin=documents[3])[1])
        assert rows[3]["scores"] == pytest.approx(alone["scores"], abs=0.05)  # in bfloat16

    @pytest.mark.slow
    def test_an_interrupted_run_is_resumed(self, llmkit, tiny_model, tmp_path):
        source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
        given = [{"text": f"The match number {number} ended 3 to 2.", "id": number} for number in range(20_000)]
        source.write_text("".join(json.dumps(each) + "\n" for each in given))
        command = [sys.executable, "-m", "llmkit", "classify", str(source), "--lines", "--output", str(output)]
        command += [*LABELS, *tiny_model]
        before = run_until_interrupted(command, output)
        assert 0 < before.count(b"\n") < len(given)
        source.write_text("".join(json.dumps(each) + "\n" for each in given[: before.count(b"\n") + 4]))
        rows = resume_run(command, output, before)
        assert [row["line"] for row in rows] == list(range(1, before.count(b"\n") + 5))
        assert [row["id"] for row in rows] == list(range(len(rows)))
        assert all(set(row["scores"]) == {"sports", "politics", "technology"} for row in rows)
        code, out, err = llmkit(*command[3:], "--threshold", "0.9")
        assert (code, out) == (2, "")
        assert "of another input or other options" in err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "--labels"),
        (["--labels", ""], "there are no labels: give at least 2"),
        (["--labels", "a"], "there is only one label: give at least 2"),
        (["--labels", "complaint;praise"], "separate labels by commas, as in --labels complaint,praise\n"),
        (["--labels", "good | very bad"], "separate labels by commas, as in --labels 'good,very bad'\n"),
        (["--labels", "good bad"], "separate labels by commas, as in --labels good,bad\n"),
        (["--labels", "好，坏"], "separate labels by commas, as in --labels '好,坏'\n"),
        (["--labels", "a;b", "--multi-label"], "separate labels by commas, as in --labels a,b\n"),
        (["--labels", "a,b,a"], "label 'a' is given twice"),
        (["--labels", "a,,b"], "label 2 is empty"),
        (["--labels", "a,b,"], "label 3 is empty"),
        (["--labels", " ", "--multi-label"], "there are no labels: give at least 1"),
        ([*LABELS, "--threshold", "1.5"], "--threshold '1.5': "),
        ([*LABELS, "--threshold", "-1"], "--threshold '-1': "),
        ([*LABELS, "--threshold", "nan"], "threshold"),
        ([*LABELS, "--threshold", "high"], "--threshold 'high': "),
        ([*LABELS, "--examples", "nowhere.jsonl"], "nowhere.jsonl cannot be read: No such file or directory"),
        ([*LABELS, "--model", "no-such-model"], "no-such-model"),
        ([*LABELS, "--descriptions", "weather=rain"], "the description of 'weather' is of no label"),
        ([*LABELS, "--descriptions", "sports="], "the description of 'sports' is empty"),
        ([*LABELS, "--descriptions", "nowhere.json"], "nowhere.json cannot be read"),
        ([*LABELS, *("--descriptions", "sports=a game") * 2], "--descriptions has 'sports' twice"),
        ([*LABELS, "--show-examples"], "--show-examples needs labelled texts: give --examples FILE"),
        ([*LABELS, "--precision", "0.9"], "--precision needs labelled texts: give --calibrate FILE"),
        ([*LABELS, "--calibrate", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        ([*LABELS, "--prompt", "nothing"], "no prompt is called 'nothing'"),
        ([*LABELS, "--prompt", "question-answering"], "the prompt is for ask, not for classify"),
        ([*LABELS, "--prompt", "summarize-text"], "the prompt is for summarize, not for classify"),
        ([*LABELS, "--output", "a.xlsx"], "a.xlsx cannot be written as a .xlsx file"),
        (["no-such-file", *LABELS], "no-such-file cannot be read"),
        ([*LABELS, "--output", "no/result"], "no/result cannot be written: there is no folder no"),
    ],
)
def test_invalid_options_print_an_error(refused, text_file, tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    file = [] if options[:1] == ["no-such-file"] else [text_file]
    assert says in refused("classify", *file, *options)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "examples.jsonl is empty"),
        ("nothing", "examples.jsonl is not JSON"),
        ('{"input": "x", "output": "sports"}\n\n{"input": "x"}', 'must be an object with "input" and "output"'),
        ('["x", "sports"]', "examples.jsonl must be an object"),
        ("[" * 100_000, "is not JSON"),
        ('{"input": "x", "output": "weather"}', "examples.jsonl has the label 'weather', but the labels are 'sports'"),
        ('{"input": "x", "output": 3}', "examples.jsonl has the label 3"),
        (
            '{"input": "x", "output": ["sports", "politics"]}',
            "examples.jsonl has 2 labels, but must have one: for more, set --multi-label",
        ),
        ('{"input": " ", "output": "sports"}', "examples.jsonl has the \"input\" ' ', but must have a text"),
        ('{"input": 3, "output": "sports"}', 'examples.jsonl has the "input" 3, but must have a text'),
    ],
)
def test_invalid_examples_print_an_error(refused, text_file, tmp_path, content, says):
    path = tmp_path / "examples.jsonl"
    path.write_text(content)
    assert says in refused("classify", text_file, *LABELS, "--examples", str(path))


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_text(llmkit, content):
    assert llmkit("classify", *LABELS, stdin=content) == (2, "", "error: standard input is empty\n")
