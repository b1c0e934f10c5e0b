import csv
import json
import re
from typing import Any

import pytest

from tests.support.cli_runs import parse_rows

TEXT = "Ada Lovelace was born in London.\nShe wrote to Charles Babbage, and never went to Paris."
FOUND = [("Ada Lovelace", "person"), ("London", "location"), ("Charles Babbage", "person"), ("Paris", "location")]
PLAIN = "it rained all day, and nothing else happened."


def stands(found: Any, text: str) -> bool:
    """Whether each entity stands at its place, and is likely enough."""
    return all(text[each["start"] : each["end"]] == each["text"] and 0.4 <= each["score"] <= 1 for each in found)


@pytest.mark.usefixtures("default_model")
class TestEntities:
    def test_a_file(self, llmkit, text_file):
        code, out, err = llmkit("entities", text_file)
        assert (code, err) == (0, "")
        rows = [line.split(maxsplit=3) for line in out.splitlines()]
        assert [(text, label) for _, label, _, text in rows] == FOUND
        assert [row[0] for row in rows] == ["0-12", "25-31", "46-61", "81-86"]
        assert all(40 <= float(row[2].removesuffix("%")) <= 100 for row in rows)
        columns = [
            (line.index(row[1]), line.index("%"), line.index(row[3]))
            for line, row in zip(out.splitlines(), rows, strict=True)
        ]
        assert len(set(columns)) == 1

    @pytest.mark.slow
    def test_standard_input_as_json(self, llmkit):
        code, out, err = llmkit("entities", "--json", stdin=TEXT)
        found = json.loads(out)["entities"]
        assert stands(found, TEXT)
        assert (code, err) == (0, "")
        assert [(each["text"], each["label"]) for each in found] == FOUND
        assert out == llmkit("entities", "-", "--json", stdin=TEXT.replace("\n", "\r\n"))[1]

    def test_into_a_file(self, llmkit, tiny_model, text_file, tmp_path):
        output = tmp_path / "out.txt"
        given = ["entities", text_file, *tiny_model, "--threshold", "0"]
        _, out, _ = llmkit(*given)
        assert out
        assert llmkit(*given, "--output", str(output)) == (0, "", "")
        assert output.read_text(encoding="utf-8") == out
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out.txt", "text.txt"]

    @pytest.mark.slow
    def test_custom_labels(self, llmkit, text_file):
        code, out, _ = llmkit("entities", text_file, "--labels", " city , person", "--json")
        found = json.loads(out)["entities"]
        assert stands(found, TEXT)
        assert code == 0
        assert {each["label"] for each in found} == {"city", "person"}

    @pytest.mark.slow
    def test_a_text_that_names_nothing(self, llmkit, tmp_path):
        assert llmkit("entities", stdin=PLAIN) == (0, "", "note: the text has no such entities\n")
        assert llmkit("entities", "--quiet", stdin=PLAIN) == (0, "", "")
        code, out, err = llmkit("entities", "--threshold", "1", "--json", stdin=TEXT)
        assert (code, json.loads(out)["entities"], err) == (0, [], "")

    @pytest.mark.slow
    def test_examples_in_a_file(self, llmkit, text_file, tmp_path):
        path = tmp_path / "examples.jsonl"
        solved = [
            {"input": "Grace Hopper lived in Arlington.", "output": [
                {"text": "Grace Hopper", "label": "person"}, {"text": "Arlington", "label": "location"}]},
            {"input": "The weather was fine.", "output": []},
        ]  # fmt: skip
        path.write_text("".join(json.dumps(each) + "\n" for each in solved), encoding="utf-8")
        code, out, err = llmkit("entities", text_file, "--examples", str(path), "--json")
        assert (code, err) == (0, "")
        found = json.loads(out)["entities"]
        assert stands(found, TEXT)
        assert ("Ada Lovelace", "person") in [(each["text"], each["label"]) for each in found]

    def test_the_effect_of_examples_is_reported(self, llmkit, tiny_model, text_file, tmp_path):
        path = tmp_path / "examples.jsonl"
        path.write_text(
            '{"input": "Bob flew to Rome.", "output": [{"text": "Bob", "label": "person"}]}\n'
            '{"input": "It rained.", "output": []}\n'
            '{"input": "Ann met Bob.", "output": [{"text": "Ann", "label": "person"}]}\n'
            '{"input": "Rome is old.", "output": []}\n'
        )
        given = ["entities", text_file, *tiny_model, "--examples", str(path)]
        code, _, err = llmkit(*given)
        assert code == 0
        used, compared = r"(are not used|teach a head [^;]+)", r"log-loss [\d.]+ without them, [\d.]+ "
        assert re.match(f"note: 4 examples {used}; cross-validated {compared}", err)
        fields = json.loads(llmkit(*given, "--json")[1])["examples"]
        gains = fields["with_examples"] < fields["without_examples"]
        assert fields["use"] == ("head" if gains else "none")

    @pytest.mark.slow
    def test_descriptions_and_the_longest_entity(self, llmkit, text_file):
        given = ["entities", text_file, "--labels", "town", "--descriptions", "town=a city, a place", "--json"]
        found = json.loads(llmkit(*given)[1])["entities"]
        assert {each["label"] for each in found} == {"town"}
        found = json.loads(llmkit("entities", text_file, "--max-words", "1", "--json")[1])["entities"]
        assert found
        assert all(len(each["text"].split()) == 1 for each in found)

    @pytest.mark.slow
    def test_a_row_for_each_entity(self, llmkit, text_file, tmp_path):
        output = tmp_path / "out.csv"
        assert llmkit("entities", text_file, "--output", str(output)) == (0, "", "")
        with output.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [(row["text"], row["label"]) for row in rows] == FOUND
        assert all(TEXT[int(row["start"]) : int(row["end"])] == row["text"] for row in rows)
        output = tmp_path / "out.md"
        assert llmkit("entities", text_file, "--output", str(output)) == (0, "", "")
        lines = output.read_text(encoding="utf-8").splitlines()
        assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == [name for name, _ in FOUND]

    @pytest.mark.slow
    def test_a_document_a_line(self, llmkit, tmp_path):
        given = [{"text": TEXT, "id": "a"}, {"text": " "}, {"body": "x"}, {"text": PLAIN, "id": 7}]
        (tmp_path / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in given))
        code, out, err = llmkit("entities", str(tmp_path / "in.jsonl"), "--lines")
        rows = parse_rows(out)
        assert (code, err) == (1, "error: 2 of 4 documents failed, first line 2: the line is empty\n")
        assert rows[1:] == [
            {"line": 2, "error": "the line is empty"},
            {"line": 3, "error": 'the line is a JSON object without a "text"'},
            {"line": 4, "id": 7, "text": PLAIN, "entities": [], "calibrated": True, "method": "likelihood"},
        ]
        assert (rows[0]["line"], rows[0]["id"], set(rows[0])) == (
            1,
            "a",
            {"line", "id", "text", "entities", "calibrated", "method"},
        )
        assert stands(rows[0]["entities"], TEXT)
        assert [(each["text"], each["label"]) for each in rows[0]["entities"]] == FOUND

    def test_a_run_is_resumed(self, llmkit, tiny_model, tmp_path):
        source, output = tmp_path / "in.txt", tmp_path / "out.jsonl"
        texts = [f"Number {number}: Ada went to London." for number in range(5)]
        source.write_text("\n".join(texts))
        command = ["entities", str(source), "--lines", "--output", str(output), *tiny_model]
        assert llmkit(*command) == (0, "", "")
        whole = output.read_bytes()
        before = b"".join(whole.splitlines(keepends=True)[:2])
        output.write_bytes(before + b'{"li')  # as a kill leaves it
        assert llmkit(*command) == (0, "", "")
        assert output.read_bytes().startswith(before)
        rows = parse_rows(output.read_text(encoding="utf-8"))
        assert [row["line"] for row in rows] == [1, 2, 3, 4, 5]
        for row, text in zip(rows, texts, strict=True):
            assert stands(row["entities"], text)
        code, out, err = llmkit(*command, "--labels", "town")
        assert (code, out) == (2, "")
        assert "of another input or other options" in err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--labels", ""], "there are no labels: give at least 1"),
        (["--labels", "a,b,a"], "label 'a' is given twice"),
        (["--labels", "a,,b"], "label 2 is empty"),
        (["--threshold", "1.5"], "--threshold"),
        (["--threshold", "high"], "--threshold 'high': "),
        (["--threshold", "nan"], "threshold"),
        (["--examples", "nowhere.jsonl"], "nowhere.jsonl cannot be read: No such file or directory"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--max-words", "0"], "--max-words '0': "),
        (["--descriptions", "ship=a boat"], "the description of 'ship' is of no label"),
        (["--labels", "person;place"], "separate labels by commas, as in --labels person,place"),
        (["--precision", "0.9"], "--precision needs labelled texts: give --calibrate FILE"),
        (["--error", "0.1"], "--error needs labelled texts: give --calibrate FILE"),
    ],
)
def test_invalid_options_print_an_error(refused, text_file, tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    assert says in refused("entities", text_file, *options)


def test_no_such_file(refused):
    assert refused("entities", "nowhere.txt") == "error: nowhere.txt cannot be read: No such file or directory\n"


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_text(refused, content):
    assert refused("entities", stdin=content) == "error: standard input is empty\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nothing", "examples.jsonl is not JSON"),
        ('{"input": "x"}', 'must be an object with "input" and "output"'),
        ('{"input": "Ada came.", "output": "person"}', "examples.jsonl's 'output' is 'person', but must be a list"),
        (
            '{"input": "Ada came.", "output": [{"text": "Bob", "label": "person"}]}',
            "examples.jsonl has the entity 'Bob', which is not in its text",
        ),
        ('{"input": "Ada came.", "output": [{"text": "Ada", "label": "planet"}]}', "line 1 of "),
        ('{"input": "Ada came.", "output": [{"text": "Ada"}]}', "line 1 of "),
        ('{"input": " ", "output": []}', "line 1 of "),
    ],
)
def test_invalid_examples_print_an_error(refused, text_file, tmp_path, line, says):
    path = tmp_path / "examples.jsonl"
    path.write_text(line)
    assert says in refused("entities", text_file, "--examples", str(path))
