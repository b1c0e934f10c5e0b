"""The features of spans are what they say, for any text; a head that weighs them prefers the spans that it should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.chains.qa.answer_spans import spans_of
from llmkit.chains.qa.asked_question import AskedQuestion
from llmkit.chains.qa.span_features import FEATURES, REPETITION, span_features, weight_vector
from llmkit.errors import InputError
from llmkit.retrieval import RetrievedSentence
from llmkit.text.segmentation import Span

SENTENCE = "The engineer Maria Holm built the Tower of Karn in 3 May 1874, after two ships had sunk."


def features_of(text: str, question: str, sentence: str = SENTENCE, language: str = "english") -> dict[str, float]:
    """Return the features of a span that stands once in a sentence, 7 characters into its document."""
    place = sentence.index(text) + 7
    found = RetrievedSentence(7, 7 + len(sentence), 0, sentence)
    [row] = span_features(AskedQuestion(question, language), found, [Span(place, place + len(text))], 1, 0.5)
    return dict(zip(FEATURES, row.tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "present", "absent"),
    [
        ("Maria Holm", {"rank", "relevance"}, {"cuts_name", "begins_with_stop_word", "repeated", "divided"}),
        ("Maria", {"cuts_name"}, {"ends_with_stop_word"}),
        ("Karn", {"cuts_name", "ends_at_border"}, {"divided"}),
        ("the Tower of Karn", {"ends_at_border"}, {"cuts_name", "begins_with_stop_word"}),
        ("in 3 May 1874", {"begins_with_stop_word", "ends_at_border"}, {"cuts_number"}),
        ("3", {"cuts_number"}, {"ends_at_border"}),
        ("May 1874", {"cuts_number"}, {"divided"}),
        ("Holm built the", {"cuts_name", "ends_with_stop_word", "repeated"}, {"only_repeated"}),
        ("1874, after two", {"divided", "cuts_number"}, {"begins_at_border"}),
        ("engineer", {"only_repeated"}, {"repeated_at_edge"}),
        ("engineer Maria Holm", {"repeated_at_edge"}, {"only_repeated"}),
    ],
)
def test_borders_and_repeated_words(text: str, present: set[str], absent: set[str]) -> None:
    found = features_of(text, "What was built by the engineer?")
    assert {name for name in present if not found[name]} == set()
    assert {name for name in absent if found[name]} == set()


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When was it built?", "time"),
        ("In what year was it built?", "time"),
        ("How many ships sank?", "amount"),
        ("What percentage sank?", "amount"),
        ("Who built it?", "person"),
        ("Where is the tower?", "place"),
        ("Why was it built?", "reason"),
        ("How was it built?", "manner"),
        ("What was built?", None),
        ("What makes a day longer?", None),
        ("Wer baute den Turm?", None),
    ],
)
def test_what_a_question_asks_for(question: str, kind: str | None) -> None:
    assert AskedQuestion(question, "english").asks_for == kind


@pytest.mark.parametrize(
    ("question", "right", "wrong", "name"),
    [
        ("When was it built?", "1874", "Maria Holm", "time"),
        ("How many ships sank?", "two", "Maria Holm", "number"),
        ("Who built it?", "Maria Holm", "ships", "name"),
        ("Where is it?", "Karn", "ships", "place"),
    ],
)
def test_the_type_that_is_asked_for(question: str, right: str, wrong: str, name: str) -> None:
    one, other = features_of(right, question), features_of(wrong, question)
    assert (one[f"{name}_asked"], one[f"{name}_missing"]) == (1, 0)
    assert (other[f"{name}_asked"], other[f"{name}_missing"]) == (0, 1)
    assert features_of("1874", "Who built it?")["number_not_asked"] == 1


@pytest.mark.parametrize("text", ["to warn ships", "warn ships", "the rocks", "because of the rocks"])
def test_a_reason_has_a_word_for_it_at_its_beginning(text: str) -> None:
    sentence = "Maria Holm built it in 1874 to warn ships, because of the rocks."
    found = features_of(text, "Why was it built?", sentence)
    assert (found["reason_asked"], found["reason_missing"]) == (1, 0)
    assert features_of("Maria Holm", "Why was it built?", sentence)["reason_missing"] == 1
    assert features_of(text, "How was it built?", sentence)["reason_asked"] == 0


def test_a_pronoun_stands_for_the_words_that_its_topic_shares_with_the_question() -> None:
    text, question = "It opens at 10.", AskedQuestion("When does the Garden Café open?", "english")
    found = {}
    for topic in ("", "The Harbour Café is old.", "The Garden Café is old."):
        sentence = RetrievedSentence(0, len(text), 0, text, topic=topic)
        [row] = span_features(question, sentence, [Span(12, 14)], 0, 1.0)
        found[topic] = dict(zip(FEATURES, row.tolist(), strict=True))
    for name in ("near_question_words", "question_words_in_sentence"):
        one, two, three = (features[name] for features in found.values())
        assert one < two < three


def test_types_are_neutral_in_other_languages() -> None:
    sentence = "Maria Holm baute 1874 den Turm."
    found = features_of("1874", "Wer baute den Turm?", sentence, "german")
    assert not any(value for name, value in found.items() if name.endswith(("_asked", "_missing")))
    assert found["near_question_words"] > 0


def test_nearer_words_of_the_question_count_more() -> None:
    question = "Who built the tower?"
    near = features_of("Maria Holm", question)["near_question_words"]
    assert near > features_of("ships", question)["near_question_words"] > 0


@given(st.text(max_size=60), st.text(max_size=30), st.integers(0, 50))
def test_features_of_any_text_are_finite_and_shares_are_shares(sentence: str, question: str, start: int) -> None:
    found = RetrievedSentence(start, start + len(sentence), 0, sentence)
    spans = [span for _, group in spans_of(found, 4, None) for span in group]
    assert all(sentence[one.span.start - start : one.span.end - start] == one.text for one in spans)
    features = span_features(AskedQuestion.about(question, sentence), found, [one.span for one in spans], 0, 1.0)
    assert features.shape == (len(spans), len(FEATURES))
    assert np.isfinite(features).all()
    assert ((features[:, REPETITION] >= 0) & (features[:, REPETITION] <= 1)).all()


def test_weights_have_the_names_of_features() -> None:
    assert weight_vector({"rank": -2.0}, FEATURES).tolist() == [-2.0] + [0.0] * (len(FEATURES) - 1)
    with pytest.raises(InputError, match="there is no feature size: the features are rank, relevance"):
        weight_vector({"size": 1.0}, FEATURES)
