"""Which sentences make the summary of the whole."""

from hypothesis import given
from hypothesis import strategies as st

from llmkit.chains.summarization.extractive import select_sentences

WORDS = ["remote", "button", "market", "price", "colour", "Tuesday", "budget", "is", "to", "42"]
SENTENCES = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), min_size=1, max_size=12)


@given(SENTENCES, st.integers(0, 40))
def test_as_many_sentences_as_fit_and_at_least_one(sentences: list[str], room: int) -> None:
    sizes = [len(sentence.split()) for sentence in sentences]
    places = select_sentences(sentences, sizes, room, 0.7)
    assert places == sorted(set(places))
    used = sum(sizes[place] for place in places)
    if len(places) > 1:
        assert used <= room
    left = [size for place, size in enumerate(sizes) if place not in places]
    assert used > room or not left or used + min(left) > room, "there was room for one more"


def test_sentences_about_the_common_topic_are_selected_first() -> None:
    sentences = [
        "They talk about the colour of the remote control.",
        "Somebody mentions a holiday in Portugal.",
        "The remote control gets a button for power.",
        "The price of the remote control is discussed.",
    ]
    sizes = [1] * 4
    assert 1 not in select_sentences(sentences, sizes, 3, 0.7)
    assert select_sentences(sentences, sizes, 4, 0.7) == [0, 1, 2, 3]


def test_repeated_content_is_left_out() -> None:
    sentences = [
        "The team discusses the remote control and its buttons.",
        "The team discusses the remote control and its buttons again.",
        "The team discusses the price.",
    ]
    assert select_sentences(sentences, [1] * 3, 2, 0.7) in ([0, 2], [1, 2])


def test_sentences_without_words() -> None:
    assert select_sentences(["...", "!"], [1, 1], 1, 0.7) == [0]
    assert select_sentences([""], [0], 0, 0.7) == [0]


def test_scripts_without_spaces() -> None:
    sentences = ["明天下雨。", "他们讨论遥控器的价格。", "他们讨论遥控器的颜色。", "遥控器的价格很高。"]
    assert 0 not in select_sentences(sentences, [1] * 4, 2, 0.7)
