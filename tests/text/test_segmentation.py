from __future__ import annotations

import textwrap
from itertools import pairwise

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmkit.errors import InputError
from llmkit.text.segmentation import Passage, Span, passages, sentences
from tests.support.counting import TOKENIZER_NAMES, CountingChat

TEXT = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        st.sampled_from(
            [
                "The time is ten. ",
                "Is it? ",
                "\n\n",
                "\r\n",
                " ",
                "今天天气很好。",
                "你好吗？",
                "👩‍👩‍👧‍👦",
                "🇩🇪🇫🇷",
                "e\u0301",
                "\u200d",
            ]
        ),
        st.sampled_from(["<|im_end|>", "</s>", "\u2029", "\x00", "שלום ", "นี่คือประโยค", "word " * 30, "a" * 90]),
    ),
    max_size=12,
).map("".join)


class WordCounter:
    """A model without token offsets that counts a token per word, like some models behind an API."""

    def get_num_tokens(self, text: str) -> int:
        return len(text.split())


class WordTokenizer(WordCounter):
    """A model with a token per word, and token offsets."""

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in regex.finditer(r"\S+", text)]


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([*TOKENIZER_NAMES, "words"]), TEXT, st.integers(1, 60))
@example("chatml", "", 1)
@example("flan", "x " * 500, 3)
@example("words", "\n" * 50, 1)
def test_passages_cover_the_text_and_fit(tokenizer_name, text, max_tokens):
    model = WordCounter() if tokenizer_name == "words" else CountingChat(tokenizer_name=tokenizer_name)
    try:
        found = passages(text, model, max_tokens)
    except InputError:
        assert max(model.get_num_tokens(character) for character in text) > max_tokens
        return
    assert "".join(text[passage.start : passage.end] for passage in found) == text
    for passage in found:
        assert passage.text == text[passage.start : passage.end]
        assert passage.tokens == model.get_num_tokens(passage.text) <= max_tokens
        assert passage.start < passage.end


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(TOKENIZER_NAMES), TEXT, st.integers(8, 60), st.data())
def test_overlapping_passages_cover_the_text_and_fit(tokenizer_name, text, max_tokens, data):
    overlap = data.draw(st.integers(1, max_tokens - 1))
    model = CountingChat(tokenizer_name=tokenizer_name)
    try:
        found = passages(text, model, max_tokens, overlap)
    except InputError:
        assert max(model.get_num_tokens(character) for character in text) > max_tokens
        return
    covered_end = 0
    for before, passage in zip([None, *found], found, strict=False):
        assert passage.start <= covered_end < passage.end, "a gap, or no progress"
        if before is not None:
            assert before.start < passage.start
            assert model.get_num_tokens(text[passage.start : before.end]) <= overlap
        assert passage.tokens == model.get_num_tokens(passage.text) <= max_tokens
        covered_end = passage.end
    assert covered_end == len(text)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["👩‍👩‍👧‍👦", "🇩🇪", "e\u0301", "각", "a", "ก็", "👍🏽"]), min_size=1, max_size=40).map(
        "".join
    )
)
def test_passages_never_split_a_grapheme_cluster(text):
    model = CountingChat(tokenizer_name="chatml")
    clusters = [match.end() for match in regex.finditer(r"\X", text)]
    largest = max(model.get_num_tokens(match.group()) for match in regex.finditer(r"\X", text))
    assert {passage.end for passage in passages(text, model, 2 * largest)} <= set(clusters)


def test_passages_end_at_paragraphs_then_sentences_then_words():
    model = WordTokenizer()
    text = "One two three. Four five six.\n\nSeven eight. Nine ten eleven. Twelve thirteen fourteen fifteen"
    assert [passage.text for passage in passages(text, model, 8)] == [
        "One two three. Four five six.\n\n",
        "Seven eight. Nine ten eleven. ",
        "Twelve thirteen fourteen fifteen",
    ]
    assert [passage.text for passage in passages(text, model, 3)] == [
        "One two three. ",
        "Four five six.\n\n",
        "Seven eight. ",
        "Nine ten eleven. ",
        "Twelve thirteen fourteen ",
        "fifteen",
    ]


def test_an_overlap_starts_at_a_sentence():
    text = "A b c d. E f g. H i j k. L m n. O p q."
    found = passages(text, WordTokenizer(), 8, 4)
    assert [passage.text for passage in found] == [
        "A b c d. E f g. ",
        "E f g. H i j k. ",
        "H i j k. L m n. ",
        "L m n. O p q.",
    ]


def test_a_text_that_fits_is_one_passage():
    assert passages("Tom.", WordTokenizer(), 1) == [Passage("Tom.", 0, 4, 1)]
    assert passages("", WordTokenizer(), 1) == []


@pytest.mark.parametrize(("max_tokens", "overlap"), [(0, 0), (5, 5), (5, -1), (-3, 0)])
def test_invalid_sizes_raise_input_error(max_tokens, overlap):
    with pytest.raises(InputError, match=f"max_tokens is {max_tokens} and overlap {overlap}"):
        passages("text", WordCounter(), max_tokens, overlap)


def test_a_character_with_too_many_tokens_raises_an_error_that_names_it():
    model = CountingChat(tokenizer_name="chatml")
    assert model.get_num_tokens("🦤") == 3
    with pytest.raises(InputError, match="character '🦤' at 3 has over 2 tokens: raise max_tokens"):
        passages("ab 🦤", model, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He left. She stayed! Why? Nobody knows", ["He left.", "She stayed!", "Why?", "Nobody knows"]),
        ("今天天气很好。你好吗？“我很好！”他说。", ["今天天气很好。", "你好吗？", "“我很好！”", "他说。"]),
        ("今日は。「はい。」と言った。", ["今日は。", "「はい。」", "と言った。"]),
        ("आप कैसे हैं। मैं ठीक हूँ॥", ["आप कैसे हैं।", "मैं ठीक हूँ॥"]),
        ("هل أنت بخير؟ نعم.", ["هل أنت بخير؟", "نعم."]),
        ("ሰላም። እንዴት ነህ፧ ደህና።", ["ሰላም።", "እንዴት ነህ፧", "ደህና።"]),
        ("Dr. Smith met J. R. Doe (A. Roe too). Fine.", ["Dr. Smith met J. R. Doe (A. Roe too).", "Fine."]),
        ("It costs 3.5 e.g. here, see x.org/?q=1.", ["It costs 3.5 e.g. here, see x.org/?q=1."]),
        ('"Really?" she said. "Yes."  He: ok', ['"Really?" she said.', '"Yes."', "He: ok"]),
        ("A heading\nA line. Two\r\n\r\n  Last", ["A heading", "A line.", "Two", "Last"]),
        ("Wait... what?! No…  \n", ["Wait... what?!", "No…"]),
        ("  \n ", []),
        ("", []),
        ("It grew.[47][48] The town did not.", ["It grew.[47][48]", "The town did not."]),
        ("It was built by\nthe engineer Holm.\nAnn: hi", ["It was built by\nthe engineer Holm.", "Ann: hi"]),
        ("a list\n\nof words", ["a list", "of words"]),
    ],
)
def test_sentences_are_split_in_many_scripts(text, expected):
    assert [span.of(text) for span in sentences(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Capt. Peter Voss met Rev. John Doe.",
            "Lt. Col. Berg met Mme. Lee.",
            "Dipl.-Ing. Karl Berg.",
            "M. Dupont et Hr. Berg.",
        ),
        *("See vol. II, pp. 12 and Fig. A, or No. 5.", "Smith et al. 2010 said it.", "On Jan. 5, i.e. Sat. 5 Jan."),
        *("J. R. R. Tolkien wrote, e.g. The Hobbit.", "J.-P. Sartre, Ph.D. Berg and B.Sc. Lee.", "At 9 a.m. Monday."),
        *(
            "The U.S. Senate of Washington D.C. Monday.",
            "Acme Inc. Berlin and Globex Ltd. Paris.",
            "St. Petersburg (est. 1703).",
        ),
        *("Orte, z. B. Berlin, d. h. Städte bzw. Orte.", "Am 3. Mai 2024, v. a. Berlin.", "(cf. Berg, vs. Holm.)"),
        *("1. Wash the lift.", "(2) Dry it.", "12. Then go."),
    ],
)
def test_abbreviations_initials_and_list_numbers_do_not_end_a_sentence(text: str) -> None:
    assert [span.of(text) for span in sentences(text)] == [text]
    text_in_context = f"He left. {text} She is here."
    assert [span.of(text_in_context) for span in sentences(text_in_context)] == ["He left.", text, "She is here."]


@pytest.mark.parametrize(
    "text",
    [
        *("Acme Inc. The boat", "In the U.S. It is late", "at 9 a.m. The boat", "Plan B. The boat", "Vitamin C. It is"),
        *(
            "No. He left",
            "Main St. The shop",
            "He sat. 5 men came",
            "In Jan. The boat",
            "in 1874. The boat",
            "x.no. Maria",
        ),
        *("apples etc. Maria", "She has 5. Then 6", "A b c d. E f g"),
    ],
)
def test_an_abbreviation_before_a_sentence_starter_ends_a_sentence(text: str) -> None:
    assert len(sentences(text)) == 2


@pytest.mark.parametrize("width", [40, 60, 72, 100])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_wrapped_paragraph_is_split_like_a_single_line(width: int, line_end: str) -> None:
    text = (
        "The old lighthouse of Karn was built in 1874 by the engineer Maria Holm, who had come from New York with "
        "Karl Berg and her children. The keeper, Dr. Peter Voss of the Acme Company, left it to Ann Lee and to his "
        "sons in the year 1900, when the first boats of the Globex Line came from Oslo and Bergen to the island."
    )
    wrapped = line_end.join(textwrap.wrap(text, width))
    assert [" ".join(span.of(wrapped).split()) for span in sentences(wrapped)] == [
        span.of(text) for span in sentences(text)
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["Maria Holm", "Karl Berg", "Ann Lee"],
        ["maria holm", "karl berg", "ann lee"],
        ["Maria Holm", "Acme Corporation", "12 Harbour Street", "Berlin"],
        ["She met Maria Holm", "Karl Berg came too."],
        ["host=karn.example", "port=8080", "user=maria"],
        ["name,city", "maria,oslo", "karl,bergen"],
        ["Minutes of the meeting of the harbour committee", "Present: Maria Holm and the others"],
        ["Ann: i think that we should repair the lift before the spring", "Ben: yes, but it will cost a lot of money"],
        ["what is the name of the boat that leaves at nine from the pier", "What does a ticket cost for two dogs"],
        ["- the lift is broken and will be repaired in the spring by", "- Holm, who has the only key of the tower"],
        ["Dear all\nthe boat leaves at nine.", "Maria"],  # a lowercase letter continues the sentence
        ["Acme Inc.", "Maria Holm"],
    ],
)
def test_lines_of_lists_tables_and_dialogues_are_separate_sentences(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert [span.of(text) for span in sentences(text)] == lines


@given(TEXT)
def test_sentences_leave_out_only_white_space(text):
    spans = sentences(text)
    assert "".join("".join(span.of(text) for span in spans).split()) == "".join(text.split())
    assert all(one.end <= other.start for one, other in pairwise(spans))
    assert all(span.of(text) == span.of(text).strip() != "" for span in spans)


def test_a_span_is_half_open():
    assert Span(1, 3).of("abcd") == "bc"
