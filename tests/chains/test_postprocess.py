import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.chains.postprocess import CompletionCleaner, clean_completion, is_sentence
from llmkit.text.words import count_words

WORDS = [
    "ann",
    "Ann",
    "met",
    "Mr. Smith",
    "a plan for",
    "3.5",
    "then",
    "agreed",
    '"no"',
    "\n",
    "你好。",
    "渡轮的时刻表",
    "ที่ประชุม",
    "etc.",
    "So!",
]
ANSWERS = st.lists(st.sampled_from([*WORDS, ".", ".", "?", " ", "\n\n"]), max_size=40).map(" ".join)


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (" ann leaves. Ben stays ", "Ann leaves. Ben stays"),
        ("Ann leaves. Ann leaves. Ben stays.", "Ann leaves. Ben stays."),
        ("They meet Ann in the old town. In the old town they meet Ann. Bye.", "They meet Ann in the old town. Bye."),
        ("They meet on May 3 in Bonn. They meet on May 4 in Bonn.",) * 2,
        ("Ann likes Ben. Ben likes Ann.",) * 2,
        ("- one\n- two\n- one", "- one\n- two"),
        ("", ""),
        (" \n", ""),
    ],
)
def test_a_complete_answer_is_unchanged(answer, kept):
    assert clean_completion(answer, True) == (kept, False)


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("Ann leaves. Ben st", "Ann leaves."),
        ("No end here", "No end here"),
        ('He said "no." Then', 'He said "no."'),
        ("Ann leaves. Ben stays.", "Ann leaves. Ben stays."),
        ("Ann leaves. It costs 3.", "Ann leaves."),
    ],
)
def test_an_incomplete_last_sentence_is_removed(answer, kept):
    assert clean_completion(answer, False)[0] == kept


@pytest.mark.parametrize(
    ("most", "kept", "cut"),
    [
        (1, "Ann", True),
        (2, "Ann leaves.", True),
        (4, "Ann leaves.", True),
        (5, "Ann leaves. Ben stays here.", True),
        (7, "Ann leaves. Ben stays here. It rains.", False),
    ],
)
def test_max_words_limits_the_answer(most, kept, cut):
    assert clean_completion("Ann leaves. Ben stays here. It rains.", True, most) == (kept, cut)


@pytest.mark.parametrize(
    ("answer", "most", "kept"),
    [
        ("会议讨论了渡轮的时刻表和票价。狗免费乘坐。", 5, "会议讨论了渡轮的时刻"),
        ("会议讨论了渡轮。狗免费乘坐。票价不变。", 7, "会议讨论了渡轮。狗免费乘坐。"),
        ("フェリーの時刻表。子供の料金は変わらない。", 5, "フェリーの時刻表。"),
        ("ที่ประชุมหารือเกี่ยวกับตาราง", 3, "ที่ประชุม"),
    ],
)
def test_max_words_limits_scripts_without_spaces(answer, most, kept):
    assert clean_completion(answer, True, most) == (kept, True)


@pytest.mark.slow
@given(ANSWERS, st.lists(st.integers(1, 9), min_size=1), st.booleans(), st.none() | st.integers(1, 20))
def test_streamed_pieces_join_to_the_same_answer(answer, sizes, complete, most):
    cleaner, out, at = CompletionCleaner(most), "", 0
    while at < len(answer):
        size = sizes[at % len(sizes)]
        out += cleaner.push(answer[at : at + size])
        at += size
    out += cleaner.finish(complete)
    assert (out, cleaner.truncated) == clean_completion(answer, complete, most)
    assert out == out.strip()
    assert most is None or len(out.split()) <= count_words(out) <= most


def test_the_first_sentence_is_streamed_at_once():
    cleaner = CompletionCleaner()
    assert [cleaner.push(piece) for piece in (" ann", " met ", "Ben.", " They", " left. ", "Now")] == [
        "Ann",
        " met",
        " Ben.",
        "",
        "",
        " They left.",
    ]


def test_is_sentence_recognizes_complete_sentences():
    for text in ("They meet.", "Is it so?", 'He said "no."', "他们见面。", "Well …", "It opens in 2020.", "「好。」"):
        assert is_sentence(text), text
    for text in ("1.", "2. 3.", "The two of them are:", "They talk about", ""):
        assert not is_sentence(text), text
