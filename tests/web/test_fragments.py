"""Links to a place in a page, read back as browsers read them."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.web import text_fragment

URL = "https://example.com/page"


def read_back(link):
    """The parts of a text directive: prefix, start, end and suffix."""
    directive = link.partition("#")[2].partition(":~:")[2].removeprefix("text=")
    assert "&" not in directive
    parts = directive.split(",")
    prefix = parts.pop(0)[:-1] if parts[0].endswith("-") else ""
    suffix = parts.pop()[1:] if parts[-1].startswith("-") else ""
    assert all("-" not in part for part in (prefix, *parts, suffix))
    start, *end = map(unquote, parts)
    assert len(end) <= 1
    return unquote(prefix), start, end[0] if end else "", unquote(suffix)


def test_a_text_fragment_contains_the_complete_quote():
    assert text_fragment(URL, "on Thursday") == f"{URL}#:~:text=on%20Thursday"


def test_reserved_characters_are_encoded():
    assert text_fragment(URL, "a-b, c & d") == f"{URL}#:~:text=a%2Db%2C%20c%20%26%20d"


def test_the_surroundings_tell_places_apart():
    link = text_fragment(URL, "the lift", before="They\n\nsay that", after="works.\n\nNext")
    assert link == f"{URL}#:~:text=say%20that-,the%20lift,-works."


def test_a_long_quote_is_given_by_its_ends():
    quote = " ".join(f"word{number}" for number in range(100))
    _, start, end, _ = read_back(text_fragment(URL, quote))
    assert quote.startswith(f"{start} ")
    assert quote.endswith(f" {end}")
    assert "word99" in end


def test_a_quote_over_paragraphs_is_given_by_its_ends():
    assert read_back(text_fragment(URL, "First words.\n\nMiddle.\n\nLast words.")) == (
        "",
        "First words.",
        "Last words.",
        "",
    )


def test_a_fragment_of_the_page_stays():
    assert text_fragment(f"{URL}#part", "x") == f"{URL}#part:~:text=x"
    assert text_fragment(f"{URL}#part:~:text=old", "x") == f"{URL}#part:~:text=x"


def test_no_quote_is_no_place():
    assert text_fragment(URL, " \n ") == URL


WRITTEN_BY_READ = "^[]|⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼₀₁₂₃₄₅₆₇₈₉₊₋₌"
CHARACTERS = st.characters(exclude_categories=["Cs", "Z", "Cc"], exclude_characters=WRITTEN_BY_READ)
WORDS = st.lists(st.text(CHARACTERS, min_size=1, max_size=12), max_size=80)


@given(WORDS.filter(bool).map(" ".join), WORDS.map(" ".join), WORDS.map(" ".join))
def test_a_decoded_fragment_is_part_of_the_quote(quote, before, after):
    prefix, start, end, suffix = read_back(text_fragment(URL, quote, before, after))
    assert before.endswith(prefix)
    assert after.startswith(suffix)
    if end:
        assert len(quote) > 300
        assert quote.startswith(start)
        assert quote.endswith(end)
    else:
        assert start == quote


@pytest.mark.parametrize(
    ("quote", "start", "end"),
    [
        ("Monday | | 19:30", "Monday", "19:30"),
        ("| Adult | Child", "Adult", "Child"),
        ("Tuesday | 8:15 |", "Tuesday", "8:15"),
        ("a mass of 2 × 10³⁰ kg", "a mass of 2 × 1030 kg", ""),
        ("It is 10⁻⁹ m wide.", "It is", "m wide."),
        ("Take x^n of them.", "Take", "of them."),
        ("It was built in 1874[2] by Holm.", "It was built in", "by Holm."),
        ("Holm[a, b] built it[12].", "built", ""),
        ("x^n", "x^n", ""),
    ],
)
def test_words_that_may_differ_in_the_page_are_left_out_of_the_fragment(quote, start, end):
    assert read_back(text_fragment(URL, quote))[1:3] == (start, end)


def test_the_cells_beside_a_quote_are_other_paragraphs():
    assert text_fragment(URL, "19:30", before="Monday | |", after="| Pier 2") == f"{URL}#:~:text=19%3A30"


def test_a_text_without_spaces_takes_no_time():
    assert text_fragment(URL, "a" * 1_000_000) == f"{URL}#:~:text={'a' * 60},{'a' * 60}"
