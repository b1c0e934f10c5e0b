"""Texts that are far too long are counted from their beginning only."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from llmkit.errors import ContextWindowExceeded
from llmkit.text.lengths import estimate_too_long
from tests.support.classification import tiny_llm


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("word " * 10, None),
        ("word " * 300, None),  # twice the beginning: counted as a whole
        ("word " * 1000, 1000),
        ("x " * 800 + " " * 100_000, 50_800),
        (" " * 100_000, None),
    ],
)
def test_tokens_are_estimated_where_a_text_cannot_fit(
    text: str, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmkit.text.lengths._COUNTED", 100)
    counted: list[int] = []

    def count(part: str) -> int:
        counted.append(len(part))
        return len(part.split())

    assert estimate_too_long(text, 100, count) == expected
    assert max(counted, default=0) <= 800


@pytest.mark.parametrize("kind", ["chat", "completion"])
def test_a_model_does_not_encode_a_prompt_of_megabytes(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    llm: Any = tiny_llm("llama")
    model: Any = llm if kind == "chat" else llm.as_completion()
    encoder, encoded = model._engine.encoder, list[int]()
    original = encoder._encoding

    def encode(text: str, **options: bool) -> Any:
        encoded.append(len(text))
        return original(text, **options)

    monkeypatch.setattr(encoder, "_encoding", encode)
    long = "word " * 1_000_000
    given = [HumanMessage("Hi"), HumanMessage([{"type": "text", "text": long}])] if kind == "chat" else long
    with pytest.raises(ContextWindowExceeded) as raised:
        model.invoke(given)
    assert raised.value.needed > 500_000
    assert max(encoded) <= 100_000


def test_a_text_of_usual_length_is_counted_exactly() -> None:
    assert estimate_too_long("word " * 30_000, 1, lambda part: len(part.split())) is None
