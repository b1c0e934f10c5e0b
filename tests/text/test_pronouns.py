"""Sentences that begin with a pronoun are about the last one before them that begins with another word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.text.pronouns import find_topics


@pytest.mark.parametrize(
    ("language", "texts", "topics"),
    [
        (
            "english",
            ["The inn is old.", "It opens at ten.", "Its bar is new.", "Ann runs it."],
            [None, 0, 0, None],
        ),
        ("english", ["It rains.", "He sings."], [None, 0]),
        ("german", ["Der Turm ist alt.", "Er ist hoch.", "It is high."], [None, 0, None]),
        ("swedish", ["Huset är gammalt.", "It is old."], [None, None]),
        ("english", [], []),
    ],
)
def test_topics(language: str, texts: list[str], topics: list[int | None]) -> None:
    assert find_topics(texts, language) == topics


@given(st.lists(st.sampled_from(["It is.", "He is", "Ann is.", "", "so it is"]), max_size=8))
def test_a_topic_is_before_its_sentence_and_names_itself(texts: list[str]) -> None:
    found = find_topics(texts, "english")
    assert len(found) == len(texts)
    for place, topic in enumerate(found):
        assert topic is None or (topic < place and found[topic] is None)
