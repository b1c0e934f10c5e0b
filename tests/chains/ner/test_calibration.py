"""What labelled texts teach is kept only where it helps on those left out; labelled texts are validated."""

from typing import Any

import numpy as np
import pytest

from llmkit.chains.calibration import ExamplesReport
from llmkit.chains.ner.calibration import EntityDecoder, LabelledScores, LabelledText, fit_if_better
from llmkit.chains.ner.candidates import Candidate
from llmkit.chains.ner.span_scorer import ScoredText
from llmkit.chains.ner.tuning import SMOLLM2_135M
from llmkit.errors import InputError
from llmkit.text.segmentation import Span

LABELS = ("person", "place")
NO_ENTITY = SMOLLM2_135M.no_entity_score
PLAIN = EntityDecoder(LABELS, NO_ENTITY)
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
        rest = (neither + shift, 0.0)
        scores_by_word = {"Ada": (person + shift, -3.0), "Bob": (person - shift, -3.0), "Rome": (-3.0, place + shift)}
        made.append(labelled({**scores_by_word, "met": rest, "in": rest}))
    return made


def found(decoder: EntityDecoder, given: LabelledScores) -> list[tuple[str, str]]:
    return [(each.text, each.label) for each in decoder.entities(given[1], 0.5)]


RIGHT = [("Ada", "person"), ("Bob", "person"), ("Rome", "place")]


def test_probabilities_are_a_softmax_that_includes_no_label() -> None:
    given = labelled({"Ada": (NO_ENTITY, -30.0), "met": (NO_ENTITY - 2, NO_ENTITY - 2)})
    ada, met = PLAIN.probabilities(given[1])
    assert ada == pytest.approx([0.5, 0.0], abs=1e-9)
    assert met == pytest.approx([1 / (2 + np.e**2)] * 2)


def test_correct_results_leave_the_parameters_unchanged() -> None:
    assert fit_if_better(PLAIN, texts_with(9, 9, 0))[0] == PLAIN
    assert fit_if_better(PLAIN, texts_with(2, 2, 0)[:1]) == (PLAIN, ExamplesReport(1, "none"))
    assert fit_if_better(PLAIN, [])[0] == PLAIN


@pytest.mark.parametrize(("person", "place", "neither"), [(3.5, 3.5, 0), (9, 9, 6.5), (3, 8, 0)])
def test_parameters_that_improve_the_result_are_fitted(person: float, place: float, neither: float) -> None:
    given = texts_with(person, place, neither, 12)
    assert any(found(PLAIN, each) != RIGHT for each in given)
    learned, report = fit_if_better(PLAIN, given)
    assert learned != PLAIN
    assert learned.f1(given) > PLAIN.f1(given) + 0.03
    assert (report.examples, report.use, report.measure) == (12, "calibration", "F1")
    assert (report.without_examples or 0) + 0.03 < (report.with_examples or 0)
    assert (report.temperature, set(report.bias or ())) == (learned.calibration.temperature, set(LABELS))


def test_a_repeated_example_gives_the_same_fit() -> None:
    first, second = texts_with(3.5, 3.5, 0, 2)
    learned, _ = fit_if_better(PLAIN, [first, first, second, labelled({"Ada": (3.0, 0.0)})])
    assert found(PLAIN, first) != RIGHT
    assert found(learned, first) == RIGHT


def test_f1_counts_spans_with_their_labels() -> None:
    assert PLAIN.f1([labelled({"Ada": (9, 0), "Bob": (9, 0), "Rome": (0, 9)})]) == 1
    assert PLAIN.f1([labelled({"Ada": (9, 0), "Bob": (0, 9), "met": (9, 0)})]) == pytest.approx(2 / 6)
    assert PLAIN.f1([labelled({"Ada": (0, 0)})]) == 0


def test_a_labelled_text_has_every_occurrence_of_its_names() -> None:
    example = {"input": "Ada, Ada and Adam", "output": [{"text": "Ada", "label": "person"}]}
    assert LabelledText.parse(example, LABELS, "it").entities == {Span(0, 3): "person", Span(5, 8): "person"}
    assert LabelledText.parse({"input": "Nobody", "output": []}, LABELS, "it").entities == {}
    japanese = {"input": "安倍晋三は東京で", "output": [{"text": "東京", "label": "place"}]}
    assert LabelledText.parse(japanese, LABELS, "it").entities == {Span(5, 7): "place"}


@pytest.mark.parametrize(
    ("example", "says"),
    [
        ("Ada", "example 3 is 'Ada', but must be a dictionary with 'input' and 'output'"),
        ({"input": "Ada"}, "example 3 is .* but must be a dictionary with 'input' and 'output'"),
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
    ],
)
def test_an_invalid_example_raises_an_error_that_names_it(example: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        LabelledText.parse(example, LABELS, "example 3")
