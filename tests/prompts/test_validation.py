from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.errors import PromptError
from llmkit.prompts import TaskPrompt
from llmkit.prompts.rendering import fill
from llmkit.prompts.validation import RESERVED, validate_example, validate_field_names, validate_text, validate_values

VALID_EXAMPLE = {"input": "in", "output": "out"}


def test_fields_are_filled_once():
    assert fill("{a} and {b}", {"a": "{b}", "b": "{a}"}) == "{b} and {a}"


@pytest.mark.parametrize("text", ["{c}", "{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{ a }", "{", "}", "{}", "{0}"])
def test_other_braces_are_plain_text(text):
    assert fill(text, {"a": "x", "b": "y"}) == text


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,3}", fullmatch=True), st.text(), min_size=1), st.text())
def test_values_are_inserted_verbatim(values, separator):
    separator = separator.replace("{", "(")
    template = separator.join(f"{{{name}}}" for name in values)
    assert fill(template, values) == separator.join(values.values())


@pytest.mark.parametrize("name", ["a b", "1a", "", "a.b", "__class__.x", "é"])
def test_a_field_name_must_be_an_identifier(name):
    with pytest.raises(PromptError, match="plain name"):
        validate_field_names([name], [f"{{{name}}}"])


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_names_are_refused(name):
    with pytest.raises(PromptError, match="reserved"):
        validate_field_names([name], [f"{{{name}}}"])


def test_a_field_must_occur_and_be_declared_once():
    with pytest.raises(PromptError, match="occurs nowhere"):
        validate_field_names(["labels"], ["{label}"])
    with pytest.raises(PromptError, match="twice"):
        validate_field_names(["a", "a"], ["{a}"])


def test_fields_must_not_be_a_string():
    with pytest.raises(PromptError, match="fields is 'labels'"):
        TaskPrompt("{labels}", fields="labels")


def test_values_must_be_text_or_numbers():
    assert validate_values(("a", "b"), {"a": 3, "b": 0.5}) == {"a": "3", "b": "0.5"}
    for invalid in (None, True, ["x"], b"x"):
        with pytest.raises(PromptError, match="field 'a'"):
            validate_values(("a",), {"a": invalid})


def test_errors_name_the_field():
    with pytest.raises(PromptError, match="no field 'lables': its fields are labels"):
        validate_values(("labels",), {"lables": "x"})
    with pytest.raises(PromptError, match="'labels' has no value"):
        validate_values(("labels",), {})


def test_a_lone_surrogate_raises_prompt_error():
    with pytest.raises(PromptError, match="the input has half a surrogate pair at 2"):
        validate_text("ab\ud83d", "the input")


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ("text", "example 7 is a text"),
        ({}, "example 7 has no 'input'; its keys are none"),
        ({"input": "in", "ouput": "out"}, "example 7 has no 'output'; its keys are 'input', 'ouput'"),
        ({"input": "in", "output": "  \n"}, "example 7's 'output' is empty"),
        ({"input": "", "output": "out"}, "example 7's 'input' is empty"),
        ({"input": "in", "output": 3}, "example 7's 'output' is a number, but must be text"),
        ({**VALID_EXAMPLE, "topic": "x"}, "example 7 has the key 'topic', which is no field"),
        ({**VALID_EXAMPLE, "question": None}, "example 7's 'question' is nothing"),
        ({"input": "\udc00", "output": "out"}, "example 7's 'input' has half a surrogate"),
    ],
)
def test_an_invalid_example_raises_an_error_that_names_it(example, message):
    with pytest.raises(PromptError) as caught:
        validate_example(example, 7, ("question",))
    assert message in str(caught.value)


def test_a_valid_example_is_copied():
    valid = validate_example(VALID_EXAMPLE, 1, ())
    assert valid == VALID_EXAMPLE
    assert valid is not VALID_EXAMPLE
    assert validate_example({**VALID_EXAMPLE, "topic": "x"}, 1, None)["topic"] == "x"
