from __future__ import annotations

import pytest

from llmkit.errors import PromptError
from llmkit.prompts.examples import Candidate, same_text, validate_example

GOOD = {"input": "in", "output": "out"}


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ("text", "example 7 is str"),
        ({}, "example 7 has no 'input'; its keys are none"),
        ({"input": "in", "ouput": "out"}, "example 7 has no 'output'; its keys are 'input', 'ouput'"),
        ({"input": "in", "output": "  \n"}, "example 7's 'output' is empty"),
        ({"input": "", "output": "out"}, "example 7's 'input' is empty"),
        ({"input": "in", "output": 3}, "example 7's 'output' is int, but must be text"),
        ({**GOOD, "topic": "x"}, "example 7 has the key 'topic', which is no field"),
        ({**GOOD, "question": None}, "example 7's 'question' is NoneType"),
        ({"input": "\udc00", "output": "out"}, "example 7's 'input' has half a surrogate"),
    ],
)
def test_an_error_names_the_example(example, message):
    with pytest.raises(PromptError) as caught:
        validate_example(example, 7, ("question",))
    assert message in str(caught.value)


def test_a_good_example_is_copied():
    valid = validate_example(GOOD, 1, ())
    assert valid == GOOD
    assert valid is not GOOD
    assert validate_example({**GOOD, "topic": "x"}, 1, None)["topic"] == "x"


def test_texts_are_the_same_but_for_white_space():
    assert same_text(" a\n b", "a b ")
    assert not same_text("ab", "a b")


def test_a_candidate_shows_its_first_words():
    assert str(Candidate(3, {"input": "a\nb", "output": "c"})) == "example 3: a b"
    assert str(Candidate(3, {"input": "word " * 50, "output": "c"})).endswith("word word wo…")
