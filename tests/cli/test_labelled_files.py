"""Labelled texts in JSON Lines, in JSON and in tables."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.cli.labelled_files import LabelledRow, read_labelled
from llmkit.errors import InputError

ROWS = [
    {"input": "Rain, then sun", "output": "weather"},
    {"input": 'She said "no"\nand left', "output": "people"},
]
CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip)


@pytest.fixture
def file(tmp_path):
    """Write a file, and return its path."""

    def write(name: str, content: str | bytes) -> Path:
        path: Path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def table(delimiter: str, rows: Any = ROWS, columns: Any = ("input", "output")) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", "\n\n".join(map(json.dumps, ROWS))),
        ("a.json", json.dumps(ROWS, indent=2)),
        ("a.csv", table(",")),
        ("a.csv", table(";")),
        ("a.csv", "\ufeff" + table(",").replace("input,output", "Input, Output")),
        ("a.csv", "\ufeff" + table(",")),
        ("a.csv", table("\t").encode("utf-16")),
        ("a.tsv", table("\t")),
        ("a.txt", table(",")),
        ("a.csv", table(",", [{"id": 7, **row} for row in ROWS], ["id", "output", "input"])),
    ],
)
def test_forms(file, name, content):
    assert read_labelled(file(name, content)) == ROWS


def test_no_file_has_no_rows():
    assert read_labelled(None) == []


@given(st.lists(st.fixed_dictionaries({"input": CELL, "output": CELL}), min_size=1), st.sampled_from(",;\t"))
def test_whatever_a_table_has_is_read(tmp_path_factory, rows, delimiter):
    path = tmp_path_factory.mktemp("tables") / "rows.csv"
    path.write_text(table(delimiter, rows), encoding="utf-8", newline="")
    assert read_labelled(path) == rows


def test_places_are_lines_of_the_file(file):
    rows = read_labelled(file("a.csv", "\n" + table(",", [*ROWS, *ROWS])))
    assert [row.place.split()[1] for row in rows] == ["3", "4", "6", "7"]
    rows = read_labelled(file("a.jsonl", "\n" + "\n\n".join(map(json.dumps, ROWS))))
    assert [row.place.split()[1] for row in rows] == ["2", "4"]
    assert isinstance(rows[0], LabelledRow)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.csv", "text,label\nRain,weather\n", 'PATH has the columns text, label, but must have "input" and "output"'),
        ("a.csv", "text;label\nRain;weather\n", "PATH has the columns text, label, but must have"),
        ("a.csv", "input,output\n", "PATH has no labelled texts"),
        (
            "a.csv",
            "input,output\nRain, then sun,weather\n",
            "line 2 of PATH has 3 columns, but the first line has 2: a",
        ),
        ("a.csv", 'input,output\n"Rain\n\n\n', "line 2 of PATH is not a row of a table: unexpected end of data"),
        ("a.csv", 'input,output\n"Rain\nor sun",weather\nsun,\n', "line 4 of PATH has the \"output\" '', but must"),
        ("a.jsonl", '\n{"input": 7, "output": "x"}', 'line 2 of PATH has the "input" 7, but must have a text'),
        ("a.jsonl", '{"text": "Rain"}', 'line 1 of PATH must be an object with "input" and "output"'),
        ("a.jsonl", "Rain\tweather", "line 1 of PATH is not JSON"),
        ("a.json", '[{"input": "Rain", "output": "x"}, 7]', "item 2 of PATH must be an object"),
        ("a.xlsx", b"PK\x03\x04", "PATH is "),
    ],
)
def test_mistakes(file, name, content, error):
    path = file(name, content)
    with pytest.raises(InputError, match=f"^{re.escape(error.replace('PATH', str(path)))}"):
        read_labelled(path)


def test_the_fields_of_a_question(file):
    path = file("a.csv", "input,question,output\nAnn came.,Who came?,Ann\n")
    assert read_labelled(path, "question") == [{"input": "Ann came.", "question": "Who came?", "output": "Ann"}]
    with pytest.raises(InputError, match='must have "input", "question" and "output"'):
        read_labelled(file("b.csv", table(",")), "question")


@pytest.mark.parametrize(
    ("command", "content", "error"),
    [
        (
            ["classify", "--labels", "weather,people"],
            "input,output\nRain,weather\n\nSun,sport\n",
            "line 4 of PATH has the label 'sport', but the labels are 'weather', 'people'",
        ),
        (
            ["entities"],
            "input,output\nAda came.,person\n",
            'line 2 of PATH has the "output" \'person\', but must have JSON, such as [{"text": "Ada", "label": "per',
        ),
        (
            ["entities"],
            'input,output\nAda came.,"[{""text"": ""Bob"", ""label"": ""person""}]"\n',
            "line 2 of PATH has the entity 'Bob', which is not in its text",
        ),
        (["summarize"], "input,output\nA long text,\n", "line 2 of PATH has the \"output\" '', but must have a text"),
        (
            ["ask", "Who?", "--file", "-"],
            "input,output\na,b\n",
            'PATH has the columns input, output, but must have "input"',
        ),
    ],
)
@pytest.mark.parametrize("option", ["--examples", "--calibrate"])
def test_errors_of_commands_name_the_line(refused, file, command, content, error, option):
    if option == "--calibrate" and command[0] in ("summarize", "ask"):
        option = "--examples"
    path = file("rows.csv", content)
    assert refused(*command, option, str(path), stdin="text").startswith(f"error: {error.replace('PATH', str(path))}")


@pytest.mark.slow
def test_a_table_of_texts_with_several_labels(llmkit, default_model, file):
    path = file("rows.csv", "input,output\nRain in May,weather; time\nAnn,people\n")
    labels = ["--labels", "weather,time,people", "--multi-label", "--show-examples"]
    code, out, _ = llmkit("classify", *labels, "--examples", str(path), "--json", stdin="Sun in June")
    assert (code, json.loads(out)["examples"]["examples"]) == (0, 2)
