"""Solved texts are checked."""

from typing import Any

import pytest

from llmkit.chains.ner.examples import Solved
from llmkit.errors import InputError
from llmkit.text.segmentation import Span

LABELS = ("person", "place")


def test_a_solved_text_has_every_place_of_its_names() -> None:
    example = {"input": "Ada, Ada and Adam", "output": [{"text": "Ada", "label": "person"}]}
    assert Solved.checked(example, 1, LABELS).labels == {Span(0, 3): 0, Span(5, 8): 0}
    assert Solved.checked({"input": "Nobody", "output": []}, 1, LABELS).labels == {}
    japanese = {"input": "安倍晋三は東京で", "output": [{"text": "東京", "label": "place"}]}
    assert Solved.checked(japanese, 1, LABELS).labels == {Span(5, 7): 1}


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
            "example 3 has the entity 'Ada', which does not stand in its text",
        ),
    ],
)
def test_a_wrong_example_is_named(example: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Solved.checked(example, 3, LABELS)
