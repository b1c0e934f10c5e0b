"""Answers are within one field of a record, and prose is one field."""

import pytest
from hypothesis import given, settings

from llmkit.text.fields import ends_name, number_answer_fields, number_quoted_fields, quoted_fields
from llmkit.text.words import words
from tests.support.texts import TEXTS


def fields(text: str) -> list[str]:
    """The text of each field, from its first word to its last."""
    found = words(text)
    numbers = number_answer_fields(text, found)
    groups = [[word for word, of in zip(found, numbers, strict=True) if of == number] for number in sorted({*numbers})]
    return [text[group[0].start : group[-1].end] for group in groups]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Karl Berg,Globex,3,5 kg", ["Karl Berg", "Globex", "3", "5 kg"]),
        ("Karl Berg;3,5 kg;Paris", ["Karl Berg", "3,5 kg", "Paris"]),
        ("| Karl Berg | Paris |\tOslo", ["Karl Berg", "Paris", "Oslo"]),
        ('10:30 level=error code=E42 msg="disk full"', ["10:30 level", "error code", "E42 msg", "disk full"]),
        ('{"route":"Karn-Oslo","days":["Mon","Tue"]}', ["route", "Karn-Oslo", "days", "Mon", "Tue"]),
        ('1,"Holm,Maria",Berlin', ["1", "Holm,Maria", "Berlin"]),
        ('"Holm;Maria";"a\tb"\tc', ["Holm;Maria", "a\tb", "c"]),
        ('1,"Acme ""Karn,Oslo"" Ltd",17', ["1", 'Acme ""Karn,Oslo"" Ltd', "17"]),
        ('{"name":"Holm,Maria","city":"Oslo"}', ["name", "Holm,Maria", "city", "Oslo"]),
        ("<b>host</b><i>port</i>", ["b>host", "b", "i>port", "i"]),
        ("The manual:[here](https://x.example/a.pdf)", ["The manual", "here](https://x.example/a.pdf"]),
    ],
)
def test_records_are_split_into_fields(text: str, expected: list[str]) -> None:
    assert fields(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Maria Holm, the engineer; Karl Berg: both came",
            "llmkit ask --file=a.txt --style=short",
            "E=mc² and F = ma",
        ),
        *("It leaves at 10:30 (or 1/2 hour later)  and costs 1,200.50", "std::vector a[i] f(x=1)", "if a < b"),
    ],
)
def test_prose_options_and_code_are_one_field(text: str) -> None:
    assert len(fields(text)) == 1
    assert fields("") == []


@pytest.mark.parametrize("between", [",", ";", "|", " | ", "\t", "  ", '","', "=", "</b><b>", ":", " <", "]("])
def test_separators_that_end_a_name(between: str) -> None:
    assert ends_name(between)


@pytest.mark.parametrize("between", [" ", ", ", ": ", "; ", " – ", "/", "\n    ", ' "', " (", ". ", "&"])
def test_separators_that_do_not_end_a_name(between: str) -> None:
    assert not ends_name(between)


def test_white_space_without_end_takes_no_time():
    assert not ends_name(" " * 1_000_000 + "\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('1,"Holm, Maria",Berlin', ["Holm, Maria"]),
        ('"Holm, Maria";"Oslo"\n"Berg, Karl";"Paris"', ["Holm, Maria", "Oslo", "Berg, Karl", "Paris"]),
        ('"Holm, Maria"\t7', ["Holm, Maria"]),
        ('1,"the ""old"" pier, Karn",17', ['the ""old"" pier, Karn']),
        ('["Holm, Maria", "Berg, Karl"]', ["Holm, Maria", "Berg, Karl"]),
        ('{"name": "Holm \\"M\\", Maria"}', ["name", 'Holm \\"M\\", Maria']),
        ('level=info msg="disk full, retry" code=1', ["disk full, retry"]),
        ('a,"",b', [""]),
        ('"Yes, Maria", he said.', []),
        ('He said, "Yes, Maria", and left.', []),
        ('"Yes, Maria."', []),
        ('1,"unclosed\n2,"b, c",d', ["b, c"]),
        ("", []),
    ],
)
def test_quoted_fields(text: str, expected: list[str]) -> None:
    assert [field.of(text) for field in quoted_fields(text)] == expected


@settings(deadline=None)
@given(TEXTS)
def test_words_of_a_quoted_field_are_in_it(text: str) -> None:
    text = f'1,"{text.replace(chr(34), chr(34) * 2)}",2' if not set("\r\n\\") & set(text) else text
    fields, found = quoted_fields(text), words(text)
    for word, number in zip(found, number_quoted_fields(text, found), strict=True):
        inside = [place for place, field in enumerate(fields) if field.start <= word.start and word.end <= field.end]
        assert inside == ([number] if number >= 0 else [])


@pytest.mark.parametrize(
    ("text", "count"),
    [('"' * 200_000, 0), (',"' * 100_000, 50_000), (',"a\\' * 50_000, 0), (',"a""' * 50_000, 0)],
    ids=["marks", "cells", "escapes", "doubled"],
)
def test_quotation_marks_without_end_take_no_time(text: str, count: int) -> None:
    assert len(quoted_fields(text)) == count  # in quadratic time, this would take minutes


def test_a_parameter_ends_at_an_ampersand() -> None:
    text = "name=Ann+Lee&City=Berlin"
    assert number_answer_fields(text, words(text)) == [0, 1, 1, 2, 3]
