"""Words and terms of any text, occurrences of a name, and word counts."""

from itertools import pairwise

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.text.segmentation import Span
from llmkit.text.words import count_words, end_of_words, occurrences, terms, unspaced, words
from tests.support.texts import TEXTS


def word_texts(text: str) -> list[str]:
    return [word.of(text) for word in words(text)]


@settings(deadline=None)
@given(TEXTS)
def test_words_are_ordered_spans_that_cover_every_letter(text: str) -> None:
    found = words(text)
    assert all(0 <= word.start < word.end <= len(text) for word in found)
    assert all(first.end <= second.start for first, second in pairwise(found))
    assert not any(regex.search(r"[\n\t |–—]", word.of(text)) for word in found)
    covered = {index for word in found for index in range(word.start, word.end)}
    assert all(index in covered for index, character in enumerate(text) if regex.match(r"[\p{L}\p{N}]", character))


def test_words_have_no_punctuation_around_them() -> None:
    assert word_texts('In 1066—the U.S. "Norman" (Duke\'s, D.C.) 10th-century: $5.5, 50%; C++ …') == (
        ["In", "1066", "the", "U.S.", "Norman", "Duke's", "D.C.", "10th-century", "$5.5", "50%", "C++"]
    )
    assert word_texts("مرحبا، بالعالم؟ दिल्ली। 한국어는 좋다. 👨\u200d👩\u200d👧!") == (
        ["مرحبا", "بالعالم", "दिल्ली", "한국어는", "좋다", "👨\u200d👩\u200d👧"]
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Maria Holm,Acme,Berlin", "Maria Holm Acme Berlin"),
        ("Maria Holm|Berlin\tParis;Oslo", "Maria Holm Berlin Paris Oslo"),
        ("port=8080\nhost = karn.example", "port 8080 host karn.example"),
        ("Item:lamp;Price:12 crowns;Weight:3 kg", "Item lamp Price 12 crowns Weight 3 kg"),
        ('{"name":"Maria Holm","age":42,"tags":["a","b"]}', "name Maria Holm age 42 tags a b"),
        ("{'city':'Berlin'}", "city Berlin"),
        (r'{"list":"Maria\nKarl\tAnn"}', "list Maria n Karl t Ann"),
        ("<b>Maria Holm</b><br/>Karl&nbsp;Berg", "b Maria Holm b br Karl nbsp Berg"),
        ("[Karl Berg](https://x.example/karl).", "Karl Berg https://x.example/karl"),
        ("**Name:**Maria,~~Ann~~ `Lee`", "Name Maria Ann Lee"),
        ('level=info msg="Maria came" ip=10.0.0.1:8080', "level info msg Maria came ip 10.0.0.1 8080"),
        ("see:Berlin(Germany)", "see Berlin Germany"),
        ("She left.He came.Maria Holm…Ann--Lee!Then", "She left He came Maria Holm Ann Lee Then"),
        ("│Maria Holm│Berlin│Oslo→Bergen•Voss", "Maria Holm Berlin Oslo Bergen Voss"),
        ("„Maria“,«Karl»；Ann", "Maria Karl Ann"),
        ("Mr.Holm Ph.D. Node.js AT&T don't Qur'an P!nk", "Mr Holm Ph.D Node.js AT&T don't Qur'an P!nk"),
    ],
)
def test_signs_separate_words_without_spaces(text: str, found: str) -> None:
    assert word_texts(text) == found.split()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "3,5",
            "1,200.50",
            "1.200,50",
            "1'200.50",
            "12,34,567",
            "1\u202f200,50",
            "10:30",
            "10:30:45.123",
            "00:00:01,500",
        ),
        *(
            "1/2",
            "3:1",
            "1:1000",
            "2024-11-03",
            "3/11/2024",
            "03.11.2024",
            "12.5%",
            "€1,200",
            "US$1,200.50",
            "-5",
            ".5",
        ),
        *("2024-11-03T10:30:45Z", "192.168.0.1", "5-7", "1.2.3", "2019/20"),
        *("maria.holm+karn@mail.example", "https://x.example/a?b=1&c=2#d", "https://x.example/Karl_(name)"),
        *("www.x.example/a=b", "karn.example/lift", "/etc/karn/app.conf", "C:\\Users\\maria", "~/notes/a", "docs/a.md"),
    ],
)
@pytest.mark.parametrize("template", ["{}", "it is {}, then", "key={};", '{{"key":"{}"}}', "({}).", "Maria|{}|Oslo"])
def test_numbers_and_addresses_are_single_words(text: str, template: str) -> None:
    assert text in word_texts(template.format(text))


def test_numbers_of_a_csv_row_are_separate_words() -> None:
    assert word_texts("17,2024-11-03,Berlin,3.5,7") == ["17", "2024-11-03", "Berlin", "3.5", "7"]
    assert word_texts("1,2,3;1,200,Oslo;10.0.0.1,80") == ["1", "2", "3", "1", "200", "Oslo", "10.0.0.1", "80"]


def test_scripts_without_spaces_are_split_into_characters() -> None:
    assert word_texts("東京タワーは1958年。ที่") == ["東", "京", "タ", "ワ", "ー", "は", "1958", "年", "ที่"]
    assert unspaced("In 東京 ที่ 1958") == ["東", "京", "ที่"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "The U.S. isn't 10th-century: C++, m² and a_b STRASSE straße",
            "the u s isn t 10th century c m² and a_b strasse strasse",
        ),
        ("東京タワーは1958年。", "東 京 タ ワ ー は 1958 年"),
        ("เมืองหลวง", "เ มื อ ง ห ล ว ง"),  # a vowel sign stays with its consonant
        ("ไทยland", "ไ ท ย land"),
        ("서울은 3월", "서 울 은 3 월"),  # so do the syllables of 서울의: the particle is written with the noun
        ("हिन्दी भाषा। العَرَبية", "हिन्दी भाषा العَرَبية"),
        ("“…” – 👍 \u200b", ""),
    ],
)
def test_terms_are_normalized_words(text: str, found: str) -> None:
    assert terms(text) == found.split()


@settings(deadline=None)
@given(TEXTS)
def test_every_letter_and_digit_is_in_a_term(text: str) -> None:
    def letters(text: str) -> str:
        return "".join(regex.findall(r"[\p{L}\p{N}]", text))

    assert letters("".join(terms(text))) == letters(text.casefold())


@pytest.mark.parametrize(
    ("name", "text", "spans"),
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
def test_occurrences_finds_every_whole_word(name: str, text: str, spans: list[tuple[int, int]]) -> None:
    assert list(occurrences(name, text)) == [Span(*span) for span in spans]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("Ann leaves - at nine.", 5),  # words separated by white space
        ("well-known a,b,c", 2),
        ("会议讨论了渡轮的时刻表", 5.5),
        ("フェリー", 2),
        ("ที่ประชุม", 3),  # vowels and tones above a letter belong to it
        ("ຂ້ອຍຮັກ", 2.5),
        ("我", 1),
        ("买了iPhone的价格。", 3.5),
        ("渡轮 很 快", 3),
        ("서울은 크다", 2),
    ],
)
def test_words_are_counted_in_every_script(text: str, count: float) -> None:
    assert count_words(text) == count


@settings(deadline=None)
@given(TEXTS, st.integers(1, 9))
def test_end_of_words_limits_the_number_of_words(text: str, max_words: int) -> None:
    end = end_of_words(text, max_words)
    if end is None:
        assert count_words(text) <= max_words
    else:
        assert count_words(text[:end]) <= max_words < count_words(text)
        assert all(end_of_words(text[:later], max_words) == end for later in range(end + 1, len(text) + 1))
    assert len(regex.findall(r"\S+", text)) <= count_words(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name=Ann+Lee&city=Berlin", ["name", "Ann", "Lee", "city", "Berlin"]),
        ("GET /search?q=Ann+Lee HTTP/1.1", ["GET", "search", "q", "Ann", "Lee", "HTTP", "1.1"]),
        ("q=Maria%20Holm&city=New+York&fast", ["q", "Maria", "Holm", "city", "New", "York", "fast"]),
        ("name=Ann+Lee&amp;city=Berlin", ["name", "Ann", "Lee", "amp", "city", "Berlin"]),
        ("to=a@b.de&on=2024-01-01&x=1,5", ["to", "a@b.de", "on", "2024-01-01", "x", "1,5"]),
        ("name=Ann+Lee", ["name", "Ann", "Lee"]),
        ("y=a+b", ["y", "a+b"]),
        ("AT&T and R&D=5", ["AT&T", "and", "R&D", "5"]),
        ("https://x.de/?name=Ann+Lee&city=Berlin", ["https://x.de/?name=Ann+Lee&city=Berlin"]),
    ],
)
def test_query_strings_and_form_data_are_divided(text: str, expected: list[str]) -> None:
    assert [word.of(text) for word in words(text)] == expected
