"""Long texts are divided in linear time, and their tokens are counted in pieces."""

from __future__ import annotations

import time

import pytest

from llmkit.text.segmentation import count_tokens, passages, sentences
from tests.support.counting import CountingChat


@pytest.mark.slow
def test_passages_take_linear_time():
    """Check that 16 times the text takes about 16 times as long, not 256 times, even with many possible boundaries."""
    model = CountingChat(tokenizer_name="chatml")

    def seconds(text: str) -> float:
        start = time.thread_time()
        passages(text, model, 300, 20)
        return time.thread_time() - start

    for piece in ("The time is ten to nine. ", "!? ", ". a", "\n ", "e\u0301", "今天。"):
        assert seconds(piece * 16_000) < 80 * seconds(piece * 1_000) + 0.5, piece


@pytest.mark.parametrize("piece", ["The time is ten to nine. ", "word ", "今天。", "\n  x"])
@pytest.mark.parametrize("offsets", [True, False])
def test_long_texts_are_counted_in_pieces(monkeypatch, piece, offsets):
    sizes = []

    class Counter:
        def get_num_tokens(self, text: str) -> int:
            sizes.append(len(text))
            return len(text)

        def token_offsets(self, text: str) -> list[tuple[int, int]]:
            sizes.append(len(text))
            return [(at, at + 1) for at in range(len(text))]

    if not offsets:
        monkeypatch.delattr(Counter, "token_offsets")
    counter, text = Counter(), piece * 200
    monkeypatch.setattr("llmkit.text.segmentation._ENCODED_AT_ONCE", 100)
    assert count_tokens(text, counter) == len(text)
    found = passages(text, counter, 50)
    assert "".join(passage.text for passage in found) == text
    assert max(sizes) <= 200


@pytest.mark.parametrize("sign", [".", 'x!"', "[1]", "x.[1]", "\u2028", " "])
@pytest.mark.parametrize("is_whole", [True, False])
def test_signs_without_end_take_no_time(sign, is_whole):
    assert sentences(f"x.{sign * 300_000}x", is_whole=is_whole)
