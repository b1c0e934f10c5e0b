"""A tiny model in a folder, and data for plans."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmkit.evaluation.plan import Plan
from tests.support import tiny

ROWS = [
    {"id": f"d{number}", "text": f"The {word} is on the table.", "summary": f"A {word}.", "label": "ab"[number % 2]}
    for number, word in enumerate(["cup", "pen", "hat", "key", "map", "jar", "box", "pin", "fan", "net"])
]


@pytest.fixture(scope="package")
def model_folder(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = tiny.make("llama").tokenizer
    tiny.build("Llama", tokenizer, {**tiny.BODY, "max_position_embeddings": 2048}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def plan_of(tmp_path, model_folder):
    """Write the rows, and return a function that makes a plan of them over the tiny model."""
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")

    def make(**changes) -> Plan:
        values: dict[str, Any] = {
            "task": "generate",
            "data": "rows.jsonl",
            "input": "text",
            "reference": "summary",
            "id": "id",
        }
        values |= {"model": model_folder, "dtype": "float32", "device": "cpu"}
        if changes.get("task", "generate") == "generate":
            values["max_new_tokens"] = 6
        values = {key: value for key, value in (values | changes).items() if value is not None}
        return Plan.parse(values, Path(tmp_path))

    return make
