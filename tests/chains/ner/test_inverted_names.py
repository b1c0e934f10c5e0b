"""Quoted fields that are one name."""

import pytest

from llmkit.chains.ner.inverted_names import divides_name, inverted_names
from llmkit.text.words import words


def whole(text: str, max_words: int = 6) -> list[str]:
    found = words(text)
    names = dict.fromkeys(name for name in inverted_names(text, found, max_words) if name)
    return [text[found[first].start : found[last].end] for first, last in names]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('1,"Holm, Maria",Berlin', ["Holm, Maria"]),
        ('"Holm,Maria";"Oslo, Norway"', ["Holm,Maria", "Oslo, Norway"]),
        ('"van Gogh, Vincent"\tParis', ["van Gogh, Vincent"]),
        ('{"name":"Holm, Maria K.","city":"New York, USA"}', ["Holm, Maria K", "New York, USA"]),
        ('1,"Acme ""Karn"" Ltd, Oslo",17', ['Acme ""Karn"" Ltd, Oslo']),
        ('1,"Maria Holm, Karl Berg",2', []),
        ('1,"Maria came, and Karl",2', []),
        ('1,"Holm, Maria, Karl",2', []),
        ('1,"Maria Holm",2', []),
        ("1,Holm, Maria,2", []),
        ('He said, "Yes, Maria", and left.', []),
    ],
)
def test_inverted_names(text: str, names: list[str]) -> None:
    assert whole(text) == names


def test_a_name_that_is_too_long_may_be_divided() -> None:
    assert whole('1,"Holm, Maria",2', 1) == []


def test_parts_divide_a_name() -> None:
    names = [None, (1, 2), (1, 2), None]
    assert not divides_name(names, 1, 2)
    assert not divides_name(names, 0, 3)
    assert not divides_name(names, 3, 3)
    assert divides_name(names, 1, 1)
    assert divides_name(names, 2, 3)
