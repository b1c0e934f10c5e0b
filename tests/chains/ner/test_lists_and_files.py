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


@pytest.mark.slow
@pytest.mark.parametrize("number", ["{}. ", "{}) ", "({}) ", "#{} ", "No. {} "])
def test_numbers_of_a_list_are_no_part_of_a_name(chain: NERChain, number: str) -> None:
    text = "\n".join(number.format(place) + name for place, name in enumerate(PEOPLE, 1))
    assert found(chain, text) == PEOPLE


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "Call Karl Berg at 555-1234 or (030) 12 34 56 before 10:30 on 2024-11-03.",
        "Karl Berg, +47 22 33 44 55, karl@berg.example, https://berg.example",
        "Montag, 3. Mai 2024, 17:30 Uhr: Karl Berg",
    ],
)
def test_values_are_no_people_organizations_or_places(chain: NERChain, text: str) -> None:
    assert found(chain, text) == ["Karl Berg"]


@pytest.mark.slow
def test_another_label_may_ask_for_values(default_llm: HuggingFaceChat) -> None:
    entities = NERChain(default_llm, ["person", "date"], threshold=0.0).invoke("Ann Lee came on 2024-11-03.")
    assert ("2024-11-03", "date") in [(entity.text, entity.label) for entity in entities]


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        'id,name,city\n1,"Holm, Maria",Berlin\n2,"Lee, Ann",Paris',
        '"Holm, Maria";"Berlin"\n"Lee, Ann";"Paris"',
        '"Holm, Maria"\t"Berlin"\n"Lee, Ann"\t"Paris"',
        '[{"name":"Holm, Maria","city":"Berlin"},{"name":"Lee, Ann","city":"Paris"}]',
    ],
)
def test_a_quoted_field_is_one_name(default_llm: HuggingFaceChat, text: str) -> None:
    entities = NERChain(default_llm, threshold=0.2).invoke(text)
    assert [entity.text for entity in entities] == ["Holm, Maria", "Berlin", "Lee, Ann", "Paris"]
    assert all(text[entity.start : entity.end] == entity.text for entity in entities)


@pytest.mark.slow
def test_a_query_string(chain: NERChain) -> None:
    assert found(chain, "name=Ann+Lee&city=Berlin") == ["Ann+Lee", "Berlin"]
