"""An estimate of tokens by script, with which texts are divided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.text.segmentation import passages
from llmkit.text.token_estimate import TokenEstimate


@pytest.mark.parametrize(
    ("text", "quarters"),
    [
        ("", 0),
        ("word and", 8),
        ("12", 4),
        ("a,b", 12),
        ("f(x)", 16),
        ("it's so", 13),
        ("x y", 9),
        ("$", 4),
        ("日本", 8),
        ("é", 4),
        ("“", 4),
    ],
)
def test_characters_count_by_their_script(text: str, quarters: int) -> None:
    assert TokenEstimate().get_num_tokens(text) == quarters


@given(st.text(), st.integers(4, 40))
def test_passages_are_short_enough_and_lose_nothing(text: str, most: int) -> None:
    counter = TokenEstimate()
    parts = passages(text, counter, most)
    assert "".join(part.text for part in parts) == text
    assert all(counter.get_num_tokens(part.text) <= most for part in parts)
    offsets = counter.token_offsets(text)
    assert len(offsets) == counter.get_num_tokens(text)
    assert offsets == sorted(offsets)
