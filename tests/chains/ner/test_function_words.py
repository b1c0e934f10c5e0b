"""Pronouns and other function words are no entities, in the languages of the stop words."""

import pytest

from llmkit.chains.ner.candidates import find_candidates, name_words
from llmkit.chains.ner.function_words import function_words
from llmkit.chains.ner.values import is_calendar_word


def naming(text: str) -> list[str]:
    found = name_words(text)
    return [word.of(text) for word, flag in zip(found, function_words(text, found), strict=True) if not flag]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("He said that they met Will at the office.", ["said", "met", "Will", "office"]),
        ("Then I saw IT, and it was from WHO.", ["saw", "IT", "WHO"]),
        ("Er hat gesagt, dass sie in Köln sind.", ["gesagt", "Köln"]),
        ("Elle est partie à Lyon avec nous.", ["partie", "Lyon"]),
        ("東京", ["東", "京"]),
    ],
)
def test_function_words_of_the_language_name_nothing(text: str, names: list[str]) -> None:
    assert naming(text) == names


def test_candidates_neither_begin_nor_end_with_function_words() -> None:
    text = "Stir the butter in a pan of The Hague."
    found = {span.of(text) for span in find_candidates(text, 3, None)}
    assert {"Stir", "butter", "pan", "The Hague", "Hague", "butter in a"} & found == {
        *("Stir", "butter", "pan", "The Hague", "Hague"),
    }
    assert not {"the butter", "butter in", "a pan", "of The Hague"} & found


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("We met Anna Lee and Tom Ford", False),
        ("We met Anna Lee und Tom Ford", False),
        ("We met Johnson and Johnson", True),
        ("We met Marks & Spencer", True),
        ("We met Trade Marks & Spencer Group", True),
        ("We met Bosnia and Herzegovina", True),
        ("We met University of Arts and Design London", True),
    ],
)
def test_two_full_names_with_a_conjunction_are_two(text: str, whole: bool) -> None:
    found = {span.of(text) for span in find_candidates(text, 7, None)}
    assert (text.removeprefix("We met ") in found) is whole


def test_days_and_months_are_calendar_words() -> None:
    assert all(is_calendar_word(word) for word in ("Monday", "May", "August", "sept.", "Dienstag", "février"))
    assert not any(is_calendar_word(word) for word in ("Mars", "Mondays are", "4 May", "Maya"))
