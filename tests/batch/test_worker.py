import json
import pickle
from typing import Any

import pytest

from llmkit.batch import ChainSpec, ChainWorker
from llmkit.errors import InputError
from tests.support.batch_chains import lengths_spec

ROWS = [{"id": 1, "text": "one"}, {"id": 2, "text": ""}, {"id": 3, "text": None}, {"id": 4, "text": "four"}]


def parsed(cells: Any) -> list[Any]:
    return [None if cell is None else json.loads(cell) for cell in cells]


def test_rows_get_three_columns_and_none_is_dropped():
    worker = ChainWorker(lengths_spec())
    rows = worker(ROWS)
    assert [(row["id"], row["text"]) for row in rows] == [(row["id"], row["text"]) for row in ROWS]
    assert parsed(row["result"] for row in rows) == [{"length": 3}, None, None, {"length": 4}]
    empty = {"kind": "InputError", "message": "the text is empty: give some text"}
    assert parsed(row["error"] for row in rows) == [None, empty, empty, None]
    for row in rows:
        meta = json.loads(row["meta"])
        assert (meta["model"], meta["tokens"], meta["fingerprint"]) == (None, None, worker.fingerprint)
        assert meta["seconds"] >= 0
    assert worker([]) == []


def test_a_dictionary_of_columns_stays_one():
    columns = {name: [row[name] for row in ROWS] for name in ("id", "text")}
    found = ChainWorker(lengths_spec())(columns)
    assert list(found) == ["id", "text", "result", "error", "meta"]
    assert found["id"] is columns["id"]
    assert parsed(found["result"]) == [{"length": 3}, None, None, {"length": 4}]


def test_arrays_stay_arrays():
    import numpy as np

    found = ChainWorker(lengths_spec())({"text": np.array(["one", "four"], dtype=object)})
    assert isinstance(found["result"], np.ndarray)
    assert parsed(found["result"]) == [{"length": 3}, {"length": 4}]


def test_an_arrow_table_stays_one():
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"id": [1, 2], "text": ["one", None], "extra": [[1], None]})
    found = ChainWorker(lengths_spec())(table)
    assert found.schema.names == ["id", "text", "extra", "result", "error", "meta"]
    assert {str(found.schema.field(name).type) for name in ("result", "error", "meta")} == {"string"}
    assert parsed(found["result"].to_pylist()) == [{"length": 3}, None]


def test_frames_stay_frames():
    pandas = pytest.importorskip("pandas")
    frames = [pandas.DataFrame(ROWS[:1]), pandas.DataFrame(ROWS[3:])]
    found = list(ChainWorker(lengths_spec()).map_frames(iter(frames)))
    assert [list(frame["id"]) for frame in found] == [[1], [4]]
    assert [parsed(frame["result"]) for frame in found] == [[{"length": 3}], [{"length": 4}]]


def test_a_dataset_is_mapped():
    datasets = pytest.importorskip("datasets")
    found = datasets.Dataset.from_list(ROWS).map(ChainWorker(lengths_spec()), batched=True)
    assert parsed(found["result"]) == [{"length": 3}, None, None, {"length": 4}]


@pytest.mark.parametrize("batch", [1.5, [1, 2], {1, 2}])
def test_another_form_is_refused(batch):
    with pytest.raises(TypeError, match="but must be rows, a dictionary of columns, pandas or Arrow"):
        ChainWorker(lengths_spec())(batch)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"id": 1, "body": "a"}, "the rows have no column 'text': they have id, body"),
        ({"text": "a", "error": "b"}, "have a column 'error' already"),
    ],
)
def test_columns_that_are_missing_or_taken_are_refused(row, says):
    with pytest.raises(InputError, match=says):
        ChainWorker(lengths_spec())([row])


def test_a_pickled_worker_builds_its_chain_again():
    worker = ChainWorker(lengths_spec())
    worker(ROWS)
    copy = pickle.loads(pickle.dumps(worker))
    assert copy.fingerprint == worker.fingerprint
    assert [row["result"] for row in copy(ROWS)] == [row["result"] for row in worker(ROWS)]


def test_one_bad_row_does_not_take_its_neighbours_with_it():
    worker = ChainWorker(ChainSpec("tests.support.batch_chains:all_or_nothing", model=None))
    rows = worker([{"text": "one"}, {"text": "bad"}, {"text": "four"}])
    assert parsed(row["result"] for row in rows) == [{"length": 3}, None, {"length": 4}]
    assert json.loads(rows[1]["error"]) == {"kind": "MemoryError", "message": "no memory is left"}


def test_a_worker_that_would_compute_something_else_computes_nothing(tmp_path):
    from llmkit.batch.fingerprint import identify

    log = tmp_path / "log"
    spec = lengths_spec(log=str(log))
    with pytest.raises(
        InputError, match=r'something else than the run that it belongs to: llmkit is "0\.2\.0", and was'
    ):
        ChainWorker(spec, {**identify(spec), "llmkit": "0.1"})(ROWS)
    assert not log.exists()
    assert ChainWorker(spec, identify(spec))(ROWS[:1])


@pytest.mark.parametrize(("dtype", "calls"), [("auto", [8, 3]), ("float32", [1] * 11)])
def test_float32_computes_each_row_by_itself(dtype, calls, monkeypatch):
    given: list[int] = []
    worker = ChainWorker(ChainSpec("tests.support.batch_chains:lengths", model=None, dtype=dtype))
    results = worker.results

    def count(inputs: list[str]) -> list[Any]:
        given.append(len(inputs))
        return results(inputs)

    monkeypatch.setattr(worker, "results", count)
    assert len(worker.outcomes(["text"] * 11)) == 11
    assert given == calls


@pytest.mark.slow
@pytest.mark.usefixtures("default_model_folder")
def test_rows_equal_those_of_the_chain(default_llm):
    from llmkit.chains import ZeroShotClassificationChain

    texts = ["The match ended 3 to 2.", "The vote is on Monday.", "word " * 10_000]
    worker = ChainWorker(ChainSpec("classify", {"labels": ["sports", "politics"]}, dtype="float32", device="cpu"))
    rows = worker([{"id": index, "text": text} for index, text in enumerate([*texts, "x" * 6_000_000])])
    chain = ZeroShotClassificationChain(llm=default_llm, labels=["sports", "politics"])
    expected = [json.dumps(chain.invoke(text).model_dump(mode="json")) for text in texts[:2]]
    assert [row["result"] for row in rows[:2]] == expected
    assert json.loads(rows[2]["result"])["passages"] > 1
    assert json.loads(rows[3]["error"])["message"].startswith("the text has 6,000,000 characters, more than 5,000,000")
    assert json.loads(rows[0]["meta"])["tokens"] == len(default_llm.get_token_ids(texts[0]))
