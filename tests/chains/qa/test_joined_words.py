"""Answers begin and end inside text that has no spaces: rows, settings, records."""

import pytest

from llmkit import HuggingFaceChat
from llmkit.chains import QAChain

STAFF = "name,employer,city\nMaria Holm,Acme Corporation,Berlin\nKarl Berg,Globex,Paris\n"


@pytest.fixture(scope="module")
def chain(default_llm: HuggingFaceChat) -> QAChain:
    return QAChain(default_llm)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "text", "answer"),
    [
        ("In which city does Karl Berg live?", STAFF, "Paris"),
        ("In which city does Karl Berg live?", STAFF.replace(",", ";"), "Paris"),
        ("What is the port?", "host=karn.example\nport=8080\n", "8080"),
        ("What is the port?", '{"host":"karn.example","port":8080}', "8080"),
        ("What is the price?", "Item:lamp;Price:12 crowns;Weight:3 kg", "12 crowns"),
    ],
)
def test_the_value_alone_is_the_answer(chain: QAChain, question: str, text: str, answer: str) -> None:
    found = chain.invoke({"question": question, "context": text})
    assert found.text == answer
    cited = found.citations[0]
    assert text[cited.answer_start : cited.answer_end] == answer
