"""Items: what files they are read from, and that none of them is also an example."""

import json

import pytest

from llmkit.errors import InputError
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
    data = read_data(plan(task="answer", data="qa.jsonl", input="q", context="passage", reference="a"))
    assert data.items[0].input == {"question": "Who?", "context": "Ann did."}
    assert [item.reference for item in data.items] == [["Ann"], []]


def test_labels_are_those_of_the_references_or_of_the_plan(plan, tmp_path):
    write(tmp_path / "labels.jsonl", [{"text": "a", "label": "no"}, {"text": "b", "label": "good"}])
    values = {"task": "classify", "data": "labels.jsonl", "reference": "label"}
    assert read_data(plan(**values)).labels == ("good", "no")
    assert read_data(plan(**values, labels=["no", "good", "other"])).labels == ("no", "good", "other")
    with pytest.raises(InputError, match="the data has the label 'no'"):
        read_data(plan(**values, labels=["good", "bad"]))


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
        ("latin.jsonl", b'{"text": "\xe9"}', "is not UTF-8"),
        ("a.xlsx", b"PK", "is in a format that is not read"),
    ]:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_data(plan(data=name))


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
    write(tmp_path / "ner.jsonl", [{"text": "Ann", "spans": ["Ann"]}])
    with pytest.raises(InputError, match="needs a list of"):
        read_data(plan(**values))
