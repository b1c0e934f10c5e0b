"""The table of a device: what is measured is kept line by line, within a time limit, on given or generated texts."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from langchain_core.messages import AIMessageChunk

from benchmarks.devices import models, table, texts
from benchmarks.devices.records import Records
from benchmarks.devices.table import measure_table


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_variant_is_saved_at_once_with_its_first_value_apart(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    records = Records("a card", path, seconds=60, rounds=3)
    values = iter([100.0, 3.0, 1.0, 2.0])
    records.measure("row", "llmkit", "texts/s", lambda: lambda: next(values))
    [line] = lines_of(path)
    assert (line["first"], line["rounds"], line["median"]) == (100.0, [3.0, 1.0, 2.0], 2.0)
    assert (line["row"], line["variant"], line["unit"], line["device"]) == ("row", "llmkit", "texts/s", "a card")


def test_an_error_is_recorded_and_the_next_variant_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    records = Records("a card", path, seconds=60, rounds=1)
    records.measure("row", "broken", "texts/s", lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    records.measure("row", "llmkit", "texts/s", lambda: lambda: 5.0)
    broken, good = lines_of(path)
    assert broken["error"].startswith("ZeroDivisionError")
    assert broken["median"] is None
    assert good["median"] == 5.0


def test_a_row_that_cannot_be_prepared_ends_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.jsonl"
    rows = {"broken": lambda table: {}["kernel"], "good": lambda table: table.records.write("good", "llmkit", "s", [1])}
    monkeypatch.setattr(table, "ROWS", rows)
    options: dict[str, Any] = {"data": None, "which": (), "rounds": 1, "scale": 1.0, "seconds": 60, "path": path}
    measure_table("a model", "cpu", **options)
    broken, good = lines_of(path)
    assert broken["error"] == "KeyError: 'kernel'"
    assert good["median"] == 1


def test_nothing_is_begun_after_the_time_limit(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    Records("a card", path, seconds=0, rounds=1).measure("row", "llmkit", "texts/s", lambda: pytest.fail("begun"))
    assert lines_of(path)[0]["skipped"] == "the time limit was reached"


def test_tokens_without_a_text_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    timings = {"timings": {"time_to_first_token": 1.0, "time_per_output_token": 0.5}}
    usage: Any = {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}
    pieces = [AIMessageChunk(content="a"), AIMessageChunk(content="", usage_metadata=usage, response_metadata=timings)]
    llm: Any = SimpleNamespace(engine=MagicMock(), stream=lambda _: iter(pieces))
    clock = iter([10.0, 13.0])
    monkeypatch.setattr(models, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    assert models.stream_rate(llm)() == 4 / 2


def test_texts_come_from_a_folder_or_are_generated(tmp_path: Path) -> None:
    for found in (texts.news(None, 9), texts.sentences(tmp_path, 9)):
        assert len(found) == 9
        assert all(found)
    assert len(set(texts.news(None, 9))) == 9, "equal texts would share their computation"
    assert [row["output"] for row in texts.labelled_news(None, 8)] == [*texts.LABELS] * 2
    assert all(row["context"] and row["question"] for row in texts.questions(None, 4))
    row = {"text": "A match.", "label_text": "Sports", "question": "Who?", "context": "Ada."}
    for name in ("agnews_test", "squad2_dev", "wikineural_en_test"):
        (tmp_path / f"{name}.jsonl").write_text(f"{json.dumps(row)}\n", encoding="utf-8")
    assert texts.news(tmp_path, 2) == texts.sentences(tmp_path, 2) == ["A match."] * 2
    assert texts.questions(tmp_path, 1)[0]["context"] == "Ada."


@pytest.mark.slow
def test_the_table_is_rehearsed_on_a_cpu(tmp_path: Path, default_model_folder: Path) -> None:
    path = tmp_path / "table.jsonl"
    measure_table(
        str(default_model_folder),
        "cpu",
        data=None,
        which=["kernels", "conversation", "labels", "conversation-peers"],
        rounds=1,
        scale=0.005,
        seconds=300,
        path=path,
    )
    lines = lines_of(path)
    assert not [line for line in lines if "error" in line or "skipped" in line]
    assert {line["variant"] for line in lines} >= {"llmkit", "transformers"}
    assert all(line["median"] > 0 for line in lines if line["unit"])
