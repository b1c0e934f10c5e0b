"""What labelled texts teach is kept only where it helps on those left out; labelled texts are validated."""

from typing import Any

import numpy as np
import pytest

from llmkit.chains.calibration import ExamplesReport
from llmkit.chains.ner.calibration import EntityDecoder, LabelledScores, LabelledText
from llmkit.chains.ner.candidates import Candidate
from llmkit.chains.ner.span_scorer import ScoredText
from llmkit.errors import InputError
from llmkit.text.segmentation import Span

LABELS = ("person", "place")
PLAIN = EntityDecoder(LABELS)
TEXT = "Ada met Bob in Rome"
WORDS = {"Ada": (0, 3), "met": (4, 7), "Bob": (8, 11), "in": (12, 14), "Rome": (15, 19)}


def labelled(rows: dict[str, tuple[float, float]]) -> LabelledScores:
    """A labelled text, whose words are scored like this."""
    named = [{"text": "Ada", "label": "person"}, {"text": "Bob", "label": "person"}, {"text": "Rome", "label": "place"}]
    example = LabelledText.parse({"input": TEXT, "output": named}, LABELS, "example 1")
    spans = [Candidate(*WORDS[word]) for word in rows]
    return example, ScoredText(TEXT, spans, np.array(list(rows.values()), dtype=float))


def texts_with(person: float, place: float, neither: float, count: int = 6) -> list[LabelledScores]:
    """Texts in which a person, a place and other words have these scores, give or take a little."""
    made = []
    for shift in np.linspace(-0.2, 0.2, count):
        rest = (neither + shift, -9.0)
        scores_by_word = {"Ada": (person + shift, -9.0), "Bob": (person - shift, -9.0), "Rome": (-9.0, place + shift)}
        made.append(labelled({**scores_by_word, "met": rest, "in": rest}))
    return made


def found(decoder: EntityDecoder, given: LabelledScores) -> list[tuple[str, str]]:
    return [(each.text, each.label) for each in decoder.entities(given[1], 0.5)]


RIGHT = [("Ada", "person"), ("Bob", "person"), ("Rome", "place")]


def test_probabilities_of_spans_that_overlap_nothing_are_a_softmax_with_no_entity() -> None:
    given = labelled({"Ada": (0.0, -34.0), "met": (-2.0, -2.0)})
    ada, met = PLAIN.probabilities(given[1])
    assert ada == pytest.approx([0.5, 0.0], abs=1e-9)
    assert met == pytest.approx([1 / (2 + np.e**2)] * 2)


def test_spans_that_overlap_share_their_probability() -> None:
    spans = [Candidate(0, 3), Candidate(0, 7)]
    probabilities = PLAIN.probabilities(ScoredText(TEXT, spans, np.array([[0.0, -50.0], [0.0, -50.0]])))
    assert probabilities == pytest.approx(np.array([[1 / 3, 0], [1 / 3, 0]]), abs=1e-9)


def test_of_few_or_no_texts_nothing_is_learned() -> None:
    assert PLAIN.fit(texts_with(2, 2, 0)[:3]) == (PLAIN, ExamplesReport(3, "none"))
    assert PLAIN.fit([]) == (PLAIN, ExamplesReport(0, "none"))


@pytest.mark.parametrize(("person", "place", "neither"), [(-1, -1, -5), (4, 4, 1), (-2, 3, -5)])
def test_a_head_is_learned_where_it_improves_texts_that_it_was_not_fitted_to(
    person: float, place: float, neither: float
) -> None:
    given = texts_with(person, place, neither, 12)
    assert any(found(PLAIN, each) != RIGHT for each in given)
    learned, report = PLAIN.fit(given)
    assert learned.head is not None
    assert (report.examples, report.use, report.measure) == (12, "head", "log-loss")
    assert (report.with_examples or 0) < (report.without_examples or 0)
    assert sum(found(learned, each) == RIGHT for each in given) > sum(found(PLAIN, each) == RIGHT for each in given)


def test_labels_that_teach_nothing_leave_the_zero_shot_probabilities() -> None:
    given = texts_with(9, 9, -9, 12)
    learned, report = PLAIN.fit(given)
    assert report.use == "none" or (report.with_examples or 0) <= (report.without_examples or 0)
    assert all(found(learned, each) == RIGHT for each in given)


def test_a_labelled_text_has_every_occurrence_of_its_names() -> None:
    example = {"input": "Ada, Ada and Adam", "output": [{"text": "Ada", "label": "person"}]}
    assert LabelledText.parse(example, LABELS, "it").entities == {Span(0, 3): "person", Span(5, 8): "person"}
    assert LabelledText.parse({"input": "Nobody", "output": []}, LABELS, "it").entities == {}
    japanese = {"input": "安倍晋三は東京で", "output": [{"text": "東京", "label": "place"}]}
    assert LabelledText.parse(japanese, LABELS, "it").entities == {Span(5, 7): "place"}


def test_an_entity_within_a_longer_one_is_only_where_it_stands_alone() -> None:
    named = [{"text": "Ada", "label": "person"}, {"text": "Ada Bay", "label": "place"}]
    parsed = LabelledText.parse({"input": "Ada at Ada Bay", "output": named}, LABELS, "it").entities
    assert parsed == {Span(0, 3): "person", Span(7, 14): "place"}
    twice = [{"text": "Ada", "label": "person", "start": 0}, {"text": "Ada", "label": "place", "start": 7}]
    parsed = LabelledText.parse({"input": "Ada in Ada", "output": twice}, LABELS, "it").entities
    assert parsed == {Span(0, 3): "person", Span(7, 10): "place"}


A = {"label": "place"}
PLACE_IN_ANOTHER = {"text": "York", "label": "place"}


@pytest.mark.parametrize(
    ("example", "says"),
    [
        ("Ada", "example 3 is a text, but must be a dictionary with 'input' and 'output'"),
        ({"input": "Ada"}, "example 3 has no 'output'; its keys are 'input'"),
        ({"input": " ", "output": []}, "example 3's 'input' is ' ', but must be text"),
        ({"input": 3, "output": []}, "example 3's 'input' is 3, but must be text"),
        ({"input": "Ada", "output": "Ada"}, "example 3's 'output' is 'Ada', but must be a list"),
        ({"input": "Ada", "output": {"text": "Ada", "label": "person"}}, "example 3's 'output' is .* a list"),
        ({"input": "Ada", "output": None}, "example 3's 'output' is None, but must be a list"),
        ({"input": "Ada", "output": ["Ada"]}, "example 3 has the entity 'Ada', but must have"),
        ({"input": "Ada", "output": [{"text": "Ada"}]}, "example 3 has the entity .* but must have"),
        (
            {"input": "Ada", "output": [{"text": "Ada", "label": "ship"}]},
            "example 3 has the label 'ship', but the labels are person, place",
        ),
        (
            {"input": "Adam", "output": [{"text": "Ada", "label": "person"}]},
            "example 3 has the entity 'Ada', which is not in its text",
        ),
        (
            {"input": "New York City", "output": [PLACE_IN_ANOTHER, {"text": "New York City", "label": "place"}]},
            "example 3 has the entities 'New York City' and 'York', which overlap: leave one of them out",
        ),
        (
            {"input": "New York City", "output": [{"text": "New York", "label": "place"}, {"text": "York City", **A}]},
            "example 3 has the entities 'York City' and 'New York', which overlap",
        ),
        (
            {"input": "Ada in Ada", "output": [{"text": "Ada", **A}, {"text": "Ada", "label": "person"}]},
            "example 3 has the entity 'Ada' as 'place' and as 'person': give it one label, or each entity its 'start'",
        ),
        (
            {"input": "Ada in Ada", "output": [{"text": "Ada", **A, "start": 3}]},
            "example 3 has the entity 'Ada', which is not in its text at character 3",
        ),
    ],
)
def test_an_invalid_example_raises_an_error_that_names_it(example: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        LabelledText.parse(example, LABELS, "example 3")
