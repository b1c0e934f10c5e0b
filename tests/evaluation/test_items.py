"""Items: what files they are read from, and that none of them is also an example."""

import json

import pytest

from llmkit.errors import InputError, LlmkitError
from llmkit.evaluation.items import read_data
from llmkit.evaluation.plan import Plan

ROWS = [
    {"name": f"n{number}", "text": f"Text {number}.", "summary": f"Short {number}.", "page": number // 3}
    for number in range(12)
]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def plan(tmp_path):
    write(tmp_path / "rows.jsonl", ROWS)

    def make(**changes):
        values = {"task": "generate", "data": "rows.jsonl", "input": "text", "reference": "summary"}
        return Plan.parse({**values, **changes}, tmp_path)

    return make


def test_the_first_rows_are_set_aside_for_examples(plan):
    data = read_data(plan(id="name", cells=[{"name": "a"}, {"name": "b", "examples": 2}]))
    assert data.examples == ({"input": "Text 0.", "output": "Short 0."}, {"input": "Text 1.", "output": "Short 1."})
    assert [item.id for item in data.items] == [f"n{number}" for number in range(2, 12)]
    assert (data.items[0].input, data.items[0].reference) == ("Text 2.", ["Short 2."])


def test_an_example_that_is_also_an_item_is_refused(plan, tmp_path):
    write(tmp_path / "pool.jsonl", [{"text": "Text  5.", "summary": "x"}])
    with pytest.raises(InputError, match="item 6 is also an example"):
        read_data(plan(example_data="pool.jsonl", examples=1))


def test_files_may_be_in_another_folder_and_examples_have_another_column(plan, tmp_path):
    (tmp_path / "there").mkdir()
    write(tmp_path / "there" / "rows.jsonl", ROWS[:2])
    write(tmp_path / "there" / "pool.jsonl", [{"text": "x", "short": "y"}])
    values = {"example_data": "elsewhere/pool.jsonl", "example_reference": "short", "examples": 1}
    data = read_data(plan(**values).with_data(tmp_path / "there"))
    assert (len(data.items), data.examples) == (2, ({"input": "x", "output": "y"},))
    one_file = plan(**values).with_data(tmp_path / "there" / "rows.jsonl")
    assert (one_file.data.parent.name, one_file.example_data.parent.name) == ("there", "elsewhere")


def test_tables_are_read_too(plan, tmp_path):
    (tmp_path / "rows.csv").write_text('text,summary\n"A, b.",Short.\n', encoding="utf-8-sig")
    [item] = read_data(plan(data="rows.csv")).items
    assert (item.text, item.reference) == ("A, b.", ["Short."])


def test_a_parquet_file_is_read(plan, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    assert len(read_data(plan(data="rows.parquet"), limit=5).items) == 5


def test_answers_have_a_question_and_a_context(plan, tmp_path):
    row = {"q": "Who?", "passage": "Ann did.", "a": [{"text": "Ann", "start": 0}]}
    write(tmp_path / "qa.jsonl", [row, {**row, "q": "Why?", "a": []}])
    columns = {"input": "q", "context": "passage", "reference": "a"}
    data = read_data(plan(task="answer", data="qa.jsonl", **columns))
    assert data.items[0].input == {"question": "Who?", "context": "Ann did."}
    assert [item.reference for item in data.items] == [["Ann"], []]
    write(tmp_path / "squad.jsonl", [{**row, "a": {"text": ["Ann", "she"], "answer_start": [0, 0]}}])
    assert read_data(plan(task="answer", data="squad.jsonl", **columns)).items[0].reference == ["Ann", "she"]


def test_labels_are_those_of_the_references_or_of_the_plan(plan, tmp_path):
    write(tmp_path / "labels.jsonl", [{"text": "a", "label": "no"}, {"text": "b", "label": "good"}])
    values = {"task": "classify", "data": "labels.jsonl", "reference": "label"}
    assert read_data(plan(**values)).labels == ("good", "no")
    assert read_data(plan(**values, labels=["no", "good", "other"])).labels == ("no", "good", "other")
    with pytest.raises(InputError, match="the data has the label 'no'"):
        read_data(plan(**values, labels=["good", "bad"]))
    write(tmp_path / "labels.jsonl", [{"text": "a", "label": None}])
    with pytest.raises(InputError, match=r"row 1 of .* has no label in the column 'label'"):
        read_data(plan(**values))


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_halves_keep_clusters_together_and_do_not_depend_on_other_rows(plan, share):
    data = read_data(plan(cluster="page"))
    choosing, reporting = data.halves(share, seed=1)
    assert {item.id for item in choosing} | {item.id for item in reporting} == {item.id for item in data.items}
    assert not {item.cluster for item in choosing} & {item.cluster for item in reporting}
    fewer = read_data(plan(cluster="page"), limit=9).halves(share, seed=1)[0]
    assert [item.id for item in choosing if int(item.id) <= 9] == [item.id for item in fewer]
    assert data.halves(0, seed=1) == (list(data.items), list(data.items))


def test_another_text_is_another_item(plan, tmp_path):
    before = read_data(plan(id="name")).items[0]
    write(tmp_path / "rows.jsonl", [{**ROWS[0], "text": "Changed."}, *ROWS[1:]])
    after = read_data(plan(id="name")).items[0]
    assert before.id == after.id
    assert before.key != after.key


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "has no rows"),
        ([{"text": "a"}], "row 1 of .* has no column 'summary', but text"),
        ([{"text": " ", "summary": "a"}], "has no text in the column 'text'"),
        ([{"text": "a", "summary": 3}], "needs a text or a list of texts"),
        ([{"text": "a", "summary": "b"}] * 2, None),
    ],
)
def test_rows_that_cannot_be_used_are_named(plan, tmp_path, rows, message):
    write(tmp_path / "rows.jsonl", rows)
    if message is None:
        assert len(read_data(plan()).items) == 2
        return
    with pytest.raises(InputError, match=message):
        read_data(plan())


def test_files_that_cannot_be_read_are_named(plan, tmp_path):
    for name, content, message in [
        ("no.jsonl", None, "cannot be read"),
        ("bad.jsonl", b"{", "line 1 of .* is not JSON"),
        ("list.jsonl", b"[1]", "is not a JSON object"),
        ("latin.jsonl", b'{"text": "\xe9"}', "latin.jsonl is not UTF-8"),
        ("few.csv", b"text,summary\na\n", "line 2 of .* has not as many columns as the first line"),
        ("open.csv", b'text,summary\n"a,b\n', "line 1 of .* is not a row of a table"),
        ("a.xlsx", b"PK", "is in a format that is not read"),
    ]:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_data(plan(data=name))


def test_a_cell_of_a_table_may_be_long(plan, tmp_path):
    (tmp_path / "long.csv").write_text(f"text,summary\n{'word ' * 40_000},Short.\n")
    assert len(read_data(plan(data="long.csv")).items[0].text) == 200_000


def test_half_a_surrogate_pair_is_no_text(plan, tmp_path):
    write(tmp_path / "half.jsonl", [{"text": "a\ud83d", "summary": "b"}])
    with pytest.raises(LlmkitError, match=r"row 1 of .* text, has half a surrogate pair"):
        read_data(plan(data="half.jsonl"))


def test_labels_are_those_of_all_rows_however_few_are_used(plan, tmp_path):
    write(tmp_path / "rows.jsonl", [{"text": f"t{label}", "summary": label} for label in "abc"])
    assert read_data(plan(task="classify"), limit=1).labels == ("a", "b", "c")


def test_ids_are_the_numbers_of_rows_however_many_are_examples(plan):
    assert read_data(plan(examples=1)).items[2] == read_data(plan(examples=3)).items[0]
    assert [item.id for item in read_data(plan(example_rows=2)).items][:2] == ["3", "4"]


def test_a_selector_needs_more_examples_than_it_chooses(plan):
    cells = {"cells": [{"name": "a", "examples": 2, "selector": "lexical"}]}
    with pytest.raises(InputError, match="the cell 'a' has 2 examples to choose 2 from: set aside more rows"):
        read_data(plan(**cells))
    assert len(read_data(plan(**cells, example_rows=5)).examples) == 5
    with pytest.raises(InputError, match="has 1 examples, but the cell 'a' asks for 2"):
        read_data(plan(**cells, example_rows=1))


def test_ids_must_differ(plan):
    with pytest.raises(InputError, match="has the id '0' more than once"):
        read_data(plan(id="page"))


def test_entities_need_spans(plan, tmp_path):
    write(
        tmp_path / "ner.jsonl", [{"text": "Ann", "spans": [{"start": 0, "end": 3, "label": "person", "text": "Ann"}]}]
    )
    values = {"task": "entities", "data": "ner.jsonl", "reference": "spans"}
    data = read_data(plan(**values))
    assert (data.labels, data.items[0].reference) == (("person",), [{"start": 0, "end": 3, "label": "person"}])
    (tmp_path / "ner.csv").write_text('text,spans\nAnn,"[{""start"": 0, ""end"": 3, ""label"": ""person""}]"\n')
    assert read_data(plan(**{**values, "data": "ner.csv"})).items[0].reference == data.items[0].reference


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ("Ann", "needs a list of"),
        ({"start": 0, "end": 4, "label": "person"}, "from 0 to 4 in a text of 3 characters"),
        ({"start": 0.0, "end": 3, "label": "person"}, "from 0.0 to 3"),
        ({"start": 0, "end": 3, "label": None}, "the label None"),
    ],
)
def test_spans_must_be_in_their_text(plan, tmp_path, span, message):
    write(tmp_path / "ner.jsonl", [{"text": "Ann", "spans": [span]}])
    with pytest.raises(InputError, match=message):
        read_data(plan(task="entities", data="ner.jsonl", reference="spans"))
