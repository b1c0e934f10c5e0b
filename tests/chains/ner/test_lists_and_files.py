"""Names in lists, tables, files and letters, found by the default model in float32, where the margins are wide."""

import pytest

from llmkit import HuggingFaceChat
from llmkit.chains import NERChain

PEOPLE = ["Maria Holm", "Karl Berg", "Ann Lee"]
CITIES = ["Berlin", "Paris", "London", "Madrid"]


@pytest.fixture(scope="module")
def chain(default_llm: HuggingFaceChat) -> NERChain:
    return NERChain(default_llm)


def found(chain: NERChain, text: str) -> list[str]:
    return [entity.text for entity in chain.invoke(text)]


@pytest.mark.slow
@pytest.mark.parametrize("separator", ["\n", "\n\n", "\t", "    ", " | ", "|", ",", ";", "\n- ", "\r\n"])
def test_people_in_lists_and_columns(chain: NERChain, separator: str) -> None:
    entities = chain.invoke(separator.join(PEOPLE))
    assert [(entity.text, entity.label) for entity in entities] == [(name, "person") for name in PEOPLE]


@pytest.mark.slow
@pytest.mark.parametrize("separator", ["\n", ", "])
def test_cities_on_separate_lines(chain: NERChain, separator: str) -> None:
    assert found(chain, separator.join(CITIES)) == CITIES


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "name:Maria Holm,city:Berlin",
        '{"name":"Maria Holm","city":"Berlin"}',
        "employee=Maria Holm;city=Berlin",
        "Maria Holm    Berlin",
        "Dr. Maria Holm lives in Berlin.",
    ],
)
def test_a_person_and_a_city(chain: NERChain, text: str) -> None:
    assert found(chain, text) == ["Maria Holm", "Berlin"]


@pytest.mark.slow
def test_a_title_alone_is_not_a_person(chain: NERChain) -> None:
    text = "Mrs. Maria Holm met Prof. Karl Berg and Lt. Col. Peter Voss. Capt. Ann Lee met Rev. John Doe."
    assert found(chain, text) == ["Maria Holm", "Karl Berg", "Peter Voss", "Ann Lee", "John Doe"]


@pytest.mark.slow
def test_a_link_in_markdown_and_an_element_of_html(chain: NERChain) -> None:
    assert found(chain, "[Karl Berg](https://x.example/karl) came.") == ["Karl Berg"]
    assert found(chain, "<li>Maria Holm</li><li>Karl Berg</li>") == ["Maria Holm", "Karl Berg"]
