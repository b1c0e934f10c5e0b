"""Labels that cannot be told apart are refused, before any model is asked."""

from typing import Any

import pytest

from llmkit.chains.labels import Labels, preview
from llmkit.errors import InputError


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([], "there are no labels: give at least 2"),
        (["a"], "there is only one label: give at least 2"),
        ("ab", "labels is 'ab', but must be a list of texts"),
        (None, "labels is None, but must be a list"),
        (3, "labels is 3, but must be a list"),
        (["a", ""], "label 2 is empty"),
        ([" \n", "a"], "label 1 is empty"),
        (["a", "b", "a"], "label 'a' is given twice"),
        (["a b", "c", " a  b "], "label ' a  b ' is given twice"),
        (["sports", "Sports", "politics"], "the labels 'sports' and 'Sports' differ only by capitals: leave one out"),
        (["US", "law", " us "], "the labels 'US' and ' us ' differ only by capitals"),
        (["\u0130zmir", "i\u0307zmir"], "differ only by capitals"),
        (["Straße", "STRASSE"], "the labels 'Straße' and 'STRASSE' differ only by capitals: leave one out"),
        (["izmir", "\u0130zmir"], "differ only by capitals"),
        (["\ufb01ne", "fine"], "differ only by how their characters are encoded in Unicode"),
        (["caf\u00e9", "cafe\u0301"], "differ only by how their characters are encoded in Unicode"),
        (["new\u00a0york", "new york"], "label 'new york' is given twice"),
        (["\uff33ports", "sports"], "differ only by how their characters are encoded in Unicode"),
        (["sports", "sports."], "the labels 'sports' and 'sports.' differ only by the punctuation around them"),
        (["sports", "“Sports!”"], "differ only by the punctuation around them"),
        (["sports", "- sports"], "differ only by the punctuation around them"),
        (["sports", "**sports**:"], "differ only by the punctuation around them"),
        (["(a)", "[a]"], "differ only by the punctuation around them"),
        (["新聞", "「新聞」。"], "differ only by the punctuation around them"),
        (["ok", "ok\u200b"], "differ only by invisible characters"),
        (["ok", "\ufeffo\u00adk\u2060"], "differ only by invisible characters"),
        (["ok", "\u200b \u2800"], "label 2 is empty"),
        (["a", 3], "a label is a number, but must be text"),
        (["a", None], "a label is nothing, but must be text"),
        (["a", "\ud800"], "half a surrogate pair"),
    ],
)
def test_invalid_labels_raise_an_error(labels: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Labels.validate(labels, None, multi_label=False)


def test_multi_label_needs_only_one_label() -> None:
    assert Labels.validate(["a"], None, multi_label=True).names == ("a",)
    with pytest.raises(InputError, match="there are no labels: give at least 1"):
        Labels.validate([], None, multi_label=True)


def test_any_iterable_of_labels_is_accepted() -> None:
    assert Labels.validate((name for name in "ab"), None, multi_label=False).names == ("a", "b")
    assert Labels.validate({"a": 1, "b": 2}, None, multi_label=False).names == ("a", "b")


def test_labels_that_differ_in_accents_or_letters_are_different() -> None:
    names = ["cafe", "café", "Masse", "Maße", "日本", "日本人", "C", "C++", "C#", ".NET", "NET", "A", "A+", "A-", "A*"]
    names += ["5", "-5", "5%", "$5", ":)", ":(", ":-)", ":-(", "?", "!", "...", "😀", "😐", "-", "+", "don't", "dont"]
    names += ["\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in tag) for tag in ("gbeng", "gbsct")]
    assert Labels.validate(names, None, multi_label=False).verbalized == tuple(names)


def test_a_description_replaces_its_label_in_the_prompt() -> None:
    labels = Labels.validate(["ENTY", " HUM", "LOC"], {"ENTY": " a thing ", " HUM": "a person"}, multi_label=False)
    assert labels.names == ("ENTY", " HUM", "LOC")
    assert labels.verbalized == ("a thing", "a person", "LOC")
    assert labels.listed() == "ENTY (a thing),  HUM (a person), LOC"
    assert Labels.validate([" a", "b"], None, multi_label=False).listed() == " a, b"


@pytest.mark.parametrize(
    ("descriptions", "says"),
    [
        ({"c": "x"}, "the description of 'c' is of no label: the labels are 'a', 'b'"),
        ({"a": " "}, "the description of 'a' is empty: leave it out"),
        ({"a": 3}, "the description of 'a' is a number"),
        (["x", "y"], r"descriptions is \['x', 'y'\], but must say what labels mean"),
        ({"a": "same", "b": " same "}, "the labels 'a', 'b' have the same words"),
        ({"a": "b"}, "the labels 'a', 'b' have the same words, 'b'"),
        ({"a": "B"}, "the labels 'a', 'b' have the same words, 'b'"),
        ({"a": "Straße", "b": "STRASSE"}, "the labels 'a', 'b' have the same words, 'STRASSE'"),
        ({"a": "a dog", "b": "A  dog"}, "the labels 'a', 'b' have the same words"),
    ],
)
def test_invalid_descriptions_raise_an_error(descriptions: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Labels.validate(["a", "b"], descriptions, multi_label=False)


def test_labels_of_examples_are_replaced_by_their_descriptions() -> None:
    several = Labels.validate(["a", "b"], {"b": "the letter b"}, multi_label=True)
    given = [{"input": "1", "output": "b"}, {"input": "2", "output": ["b", "a", "b"]}, {"input": "3", "output": []}]
    phrases, places = several.verbalize(given)
    assert [each["output"] for each in phrases] == ["the letter b", "the letter b, a", "none of them"]
    assert [each["input"] for each in phrases] == ["1", "2", "3"]
    assert places == [[1], [1, 0], []]
    assert given[0]["output"] == "b"
    assert several.verbalize(each for each in given) == (phrases, places)
    one = Labels.validate(["a", "b"], None, multi_label=False)
    assert one.verbalize([{"input": "1", "output": ["b"]}])[1] == [[1]]


@pytest.mark.parametrize(
    ("example", "says"),
    [
        ({"input": "x"}, "example 2 has no 'output'; its keys are 'input'"),
        ("x", "example 2 is a text, but must be a dictionary"),
        ({"input": "x", "output": "c"}, "example 2 has the label 'c', but the labels are 'a', 'b'"),
        ({"input": "x", "output": "A"}, "example 2 has the label 'A'"),
        ({"input": "x", "output": 3}, "example 2 has the label 3, but"),
        ({"input": "x", "output": None}, "example 2 has the label None, but"),
        ({"input": "x", "output": [["a"]]}, "example 2 has the label \\['a'\\], but"),
        ({"input": "x", "output": ["a", "c"]}, "example 2 has the label 'c'"),
        (
            {"input": "x", "output": ["a", "b"]},
            "example 2 has 2 labels, but must have one: for more, set multi_label=True",
        ),
        ({"input": "x", "output": []}, "example 2 has 0 labels, but must have one"),
    ],
)
def test_invalid_examples_raise_an_error(example: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Labels.validate(["a", "b"], None, multi_label=False).verbalize([{"input": "x", "output": "a"}, example])


def test_errors_show_the_first_of_many_labels() -> None:
    assert preview(["a"] * 12) == ", ".join(["'a'"] * 10) + " and 2 more"
    assert preview(["x" * 50]) == f"'{'x' * 40}…'"
