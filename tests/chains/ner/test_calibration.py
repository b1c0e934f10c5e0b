"""What solved texts teach is kept only where it helps on those left out."""

import numpy as np
import pytest

from llmkit.chains.ner.calibration import NONE, Lesson, Odds, taught
from llmkit.chains.ner.candidates import Mention
from llmkit.chains.ner.examples import Solved
from llmkit.chains.ner.span_scorer import Weighed

LABELS = ("person", "place")
TEXT = "Ada met Bob in Rome"
WORDS = {"Ada": (0, 3), "met": (4, 7), "Bob": (8, 11), "in": (12, 14), "Rome": (15, 19)}


def lesson(rows: dict[str, tuple[float, float]]) -> Lesson:
    """A solved text, whose words are scored like this."""
    named = [{"text": "Ada", "label": "person"}, {"text": "Bob", "label": "person"}, {"text": "Rome", "label": "place"}]
    solved = Solved.checked({"input": TEXT, "output": named}, 1, LABELS)
    spans = [Mention(*WORDS[word]) for word in rows]
    return solved, Weighed(TEXT, spans, np.array(list(rows.values()), dtype=float))


def lessons(person: float, place: float, neither: float, count: int = 6) -> list[Lesson]:
    """Texts in which a person, a place and other words have these scores, give or take a little."""
    made = []
    for shift in np.linspace(-0.2, 0.2, count):
        rest = (neither + shift, 0.0)
        own = {"Ada": (person + shift, -3.0), "Bob": (person - shift, -3.0), "Rome": (-3.0, place + shift)}
        made.append(lesson({**own, "met": rest, "in": rest}))
    return made


def found(odds: Odds, given: Lesson) -> list[tuple[str, str]]:
    return [(each.text, each.label) for each in odds.resolved(given[1], LABELS, 0.5)]


RIGHT = [("Ada", "person"), ("Bob", "person"), ("Rome", "place")]


def test_chances_are_a_softmax_with_none_of_the_labels() -> None:
    given = lesson({"Ada": (NONE, -30.0), "met": (NONE - 2, NONE - 2)})
    ada, met = Odds().chances(given[1])
    assert ada == pytest.approx([0.5, 0.0], abs=1e-9)
    assert met == pytest.approx([1 / (2 + np.e**2)] * 2)


def test_what_is_right_already_is_left_as_it_is() -> None:
    assert taught(lessons(9, 9, 0)) == Odds()
    assert taught([]) == taught(lessons(2, 2, 0)[:1]) == Odds()


@pytest.mark.parametrize(("person", "place", "neither"), [(3.5, 3.5, 0), (9, 9, 6.5), (3, 8, 0)])
def test_what_helps_is_learned(person: float, place: float, neither: float) -> None:
    given = lessons(person, place, neither, 12)
    assert any(found(Odds(), each) != RIGHT for each in given)
    learned = taught(given)
    assert learned != Odds()
    assert learned.f1(given) > Odds().f1(given) + 0.03


def test_the_same_example_twice() -> None:
    first, second = lessons(3.5, 3.5, 0, 2)
    assert taught([first, first, second, lesson({"Ada": (3.0, 0.0)})]).f1([first]) > 0


def test_f1_counts_spans_with_their_labels() -> None:
    assert Odds().f1([lesson({"Ada": (9, 0), "Bob": (9, 0), "Rome": (0, 9)})]) == 1
    assert Odds().f1([lesson({"Ada": (9, 0), "Bob": (0, 9), "met": (9, 0)})]) == pytest.approx(2 / 6)
    assert Odds().f1([lesson({"Ada": (0, 0)})]) == 0
