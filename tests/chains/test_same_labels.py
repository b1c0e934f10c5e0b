"""Which labels are the same to a model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.chains.same_labels import describe_difference, find_twins

CASE = [
    ("Straße", "STRASSE"),
    ("STRASSE", "straße"),
    ("große Straße", "Große STRASSE"),
    ("STRA\u1e9eE", "Strasse".upper()),
    ("STRA\u1e9eE", "straße"),
    ("\u0130zmir", "izmir"),
    ("\u0130ZM\u0130R", "izmir"),
    ("\u0130zmir", "i\u0307zmir"),
    ("ısparta", "Isparta"),
    ("ΟΔΟΣ", "οδος"),
    ("\ufb01ne", "FINE"),
    ("o\ufb03ce", "OFFICE"),
    ("ǆ", "Ǆ"),
    ("ŉ", "ʼN"),
    ("МОСКВА", "москва"),
]
ENCODING = [
    ("\ufb01ne", "fine"),
    ("\uff33ports", "sports"),
    ("\uff21\uff22\uff23", "ABC"),
    ("ｶﾀｶﾅ", "カタカナ"),
    ("caf\u00e9", "cafe\u0301"),
    ("m²", "m2"),
]
DIFFERENT = [
    ("Masse", "Maße"),
    ("sınır", "sinir"),
    ("cafe", "café"),
    ("C", "C++"),
    ("日本", "日本人"),
    ("ss", "ß"),
    ("a", "aa"),
]


@pytest.mark.parametrize(("first", "second"), [*CASE, *ENCODING])
def test_labels_that_are_the_same(first: str, second: str) -> None:
    assert find_twins(["other", first, "x", second]) == (1, 3)
    assert find_twins([second, first]) == (0, 1)


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_labels_that_are_different(first: str, second: str) -> None:
    assert find_twins([first, second]) is None
    assert find_twins([first, second, first.upper()]) is not None


def test_the_difference_is_named() -> None:
    assert {describe_difference(*pair) for pair in CASE} == {"by capitals"}
    assert {describe_difference(*pair) for pair in ENCODING} == {"by how their characters are encoded in Unicode"}
    assert describe_difference(" a  b", "a b") == ""


@given(st.text(min_size=1))
def test_a_text_in_capitals_is_the_same(text: str) -> None:
    assert find_twins([text, text]) == (0, 1)
    assert find_twins([text, f"  {text}\n"]) == (0, 1)
    assert find_twins([text, text.swapcase()]) is None or find_twins([text, text.swapcase()]) == (0, 1)
