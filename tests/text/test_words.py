"""Words stand in their text, whatever it is; a name is found wherever it stands."""

from itertools import pairwise

import pytest
import regex
from hypothesis import given, settings

from llmkit.text.segmentation import Span
from llmkit.text.words import occurrences, words
from tests.support.texts import TEXTS


def told(text: str) -> list[str]:
    return [word.of(text) for word in words(text)]


@settings(deadline=None)
@given(TEXTS)
def test_words_stand_in_any_text_in_order(text: str) -> None:
    found = words(text)
    assert all(0 <= word.start < word.end <= len(text) for word in found)
    assert all(first.end <= second.start for first, second in pairwise(found))
    assert not any(regex.search(r"\s|[–—/]", word.of(text)) for word in found)
    covered = {place for word in found for place in range(word.start, word.end)}
    assert all(place in covered for place, sign in enumerate(text) if regex.match(r"[\p{L}\p{N}]", sign))


def test_words_have_no_punctuation_around_them() -> None:
    assert told('In 1066—the U.S. "Norman" (Duke\'s, D.C.) 10th-century: $5.5, 50%; C++ …') == (
        ["In", "1066", "the", "U.S.", "Norman", "Duke's", "D.C.", "10th-century", "$5.5", "50%", "C++"]
    )
    assert told("مرحبا، بالعالم؟ दिल्ली। 한국어는 좋다. 👨\u200d👩\u200d👧!") == (
        ["مرحبا", "بالعالم", "दिल्ली", "한국어는", "좋다", "👨\u200d👩\u200d👧"]
    )


def test_scripts_without_spaces_are_cut_into_characters() -> None:
    assert told("東京タワーは1958年。ที่") == ["東", "京", "タ", "ワ", "ー", "は", "1958", "年", "ที่"]


@pytest.mark.parametrize(
    ("name", "text", "places"),
    [
        ("Paris", "Parisian Paris, (Paris) paris", [(9, 14), (17, 22)]),
        ("New York", "New\n  York and New York City, New Yorker", [(0, 10), (15, 23)]),
        ("安倍晋三", "安倍晋三は東京の安倍晋三。", [(0, 4), (8, 12)]),
        ("年", "1958年", [(4, 5)]),
        ("Paris", "Parisの塔", [(0, 5)]),
        ("C++ (1998)", "C++ (1998).", [(0, 10)]),
        ("😀", "a 😀 b", [(2, 3)]),
        ("Yahoo!", "Yahoo!is Yahoo", [(0, 6)]),
        ("He left.", "She left.He left.[3]", [(9, 17)]),
        ("  ", "a  b", []),
        ("שלום", "שלום, שלום", [(0, 4), (6, 10)]),
    ],
)
def test_every_occurrence_as_a_whole_word(name: str, text: str, places: list[tuple[int, int]]) -> None:
    assert list(occurrences(name, text)) == [Span(*each) for each in places]
