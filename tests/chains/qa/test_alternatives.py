"""Where a question names alternatives, the answer is one of them, or there is none."""

import pytest

from llmkit.chains.qa.alternatives import find_alternatives
from tests.support.qa import qa_input, tiny_chain


@pytest.mark.parametrize(
    ("question", "keys"),
    [
        ("Is the ferry red or blue?", "blue red"),
        ("Is the flag red, white, or blue?", "blue red white"),
        ("Was it Anna or Karl who built it?", "anna karl"),
        ("Who is older, Ann or Ben?", "ann ben"),
        ("Which is cheaper - the bus or the train?", "bus train"),
        ("Tea or milk?", "milk tea"),
        ("Ann or Ben: who is older?", "ann ben"),
        ("Is the north gate or the south gate open?", "north south"),
        ("Does it sail on Monday or on Sunday?", "monday sunday"),
        ("Is it open before or after noon?", "after befor"),
        ("For Ann, is it tea or milk?", "milk tea"),
        ("Did Anna build it, or did Karl?", "anna karl"),
    ],
)
def test_the_key_words_of_alternatives(question: str, keys: str) -> None:
    found = find_alternatives(question)
    assert found
    assert sorted(found.keys) == keys.split()


@pytest.mark.parametrize(
    "question",
    [
        "What do dogs or cats eat?",
        "In 1901 or 1902, who built it?",
        "How long does it take, in hours or days?",
        "Name the owner or manager.",
        "Did he win or not?",
        "Can you tell me who built the mill or the inn?",
        "Is it open?",
        "or",
        "",
    ],
)
def test_questions_without_alternatives_to_choose_from(question: str) -> None:
    assert find_alternatives(question) is None


def test_numbers_are_alternatives_in_digits_and_in_letters() -> None:
    found = find_alternatives("Does it cost four or five crowns?")
    assert found
    assert all(found.allow(answer) for answer in ("5 crowns", "five", "four crowns"))
    assert not any(found.allow(answer) for answer in ("crowns", "12 crowns", "1901", "It costs five"))


def test_an_answer_has_no_other_words() -> None:
    found = find_alternatives("Is it in New York or Los Angeles?")
    assert found
    assert all(found.allow(answer) for answer in ("New York", "in Los Angeles"))
    assert not any(found.allow(answer) for answer in ("Berlin", "it", "in New York since 1901"))


def test_the_answer_is_one_of_the_alternatives_or_none() -> None:
    chain = tiny_chain(threshold=0.0)
    text = "The ferry was built in 1901 by Karl. A ticket costs two euros."
    refused = chain.invoke(qa_input(text, "Is the ferry red or blue?"))
    assert (refused.text, refused.found, refused.confidence) == ("", False, 0.0)
    assert [citation.quote for citation in refused.citations] == ["The ferry was built in 1901 by Karl."]
    assert chain.invoke(qa_input(text, "Was it Anna or Karl who built the ferry?")).text in ("Karl", "by Karl")
