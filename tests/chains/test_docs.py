"""The guides to the chains say what is so: their code runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from llmkit import HuggingFaceChat

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"


def run(page: str, llm: HuggingFaceChat) -> dict[str, Any]:
    """Run a page's code from top to bottom, and give what it leaves behind."""
    names: dict[str, Any] = {"given": llm}
    for code in re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL):
        exec(re.sub(r"llm = HuggingFaceChat\(.*\)", "llm = given", code), names)
    return names


def test_the_code_of_the_summarization_page_runs(default_llm, capsys):
    names = run("summarization.md", default_llm)
    assert names["summary"].strategy == "map_reduce"
    assert "".join(passage.text for passage in names["summary"].passages) == names["long"]
    printed = capsys.readouterr().out.splitlines()
    assert 0 < len(printed[0].split()) <= 40
    last = names["summary"].passages[-1]
    assert f"{last.start:5} to {last.end:5}: {last.summary}" in printed
    assert printed[-1] == "1 of 1"
    assert names["streamed"]


def test_the_code_of_the_classification_page_runs(default_llm):
    names = run("classification.md", default_llm)
    assert names["result"].label == "sports"
    assert names["plain"].scores["educion"] < 0.001 < names["ours"].scores["educion"]
    assert names["ours"].label == "education"
    assert names["report"].log_loss_after <= names["report"].log_loss_before
    assert names["topics"].invoke(names["text"]).scores.keys() == {"sports", "politics", "money"}
    assert names["codes"].invoke("Who wrote Hamlet?").label == "HUM"
    assert (names["second"].label, names["second"].evidence) == ("exchange rate", "both")
    assert (names["learned"].label, names["learned"].evidence) == ("lost card", "head")
    assert names["loaded"].invoke("Someone took my card.").evidence == "head"


def test_the_code_of_the_question_answering_page_runs(default_llm):
    names = run("question-answering.md", default_llm)
    assert names["answer"].text == "Maria Holm"
    citation = names["citation"]
    assert names["text"][citation.start : citation.end] == citation.quote
    assert names["text"][citation.answer_start : citation.answer_end] == "Maria Holm"
    assert names["report"].correct_after >= names["report"].correct_before
    assert all(names["text"][each.start : each.end] == each.quote for each in names["written"].citations)


def test_the_code_of_the_entities_page_runs(default_llm):
    names = run("entities.md", default_llm)
    text = names["text"]
    assert [(each.text, each.label) for each in names["entities"]] == [
        ("Microsoft", "organization"),
        ("Berlin", "location"),
        ("Ada Lovelace", "person"),
        ("London", "location"),
    ]
    assert all(text[each.start : each.end] == each.text for each in names["entities"])
    drugs = {each.text for each in names["found"] if each.label == "drug"}
    assert {"aspirin", "insulin"} <= drugs


def test_the_code_of_the_guarantees_page_runs(default_llm, capsys):
    names = run("guarantees.md", default_llm)
    assert names["report"].guarantee.rows == 30
    assert capsys.readouterr().out.startswith(("of the labels at most 20 % are wrong", "nothing is guaranteed"))
    assert names["sets"].invoke("So kind!").rows == 15
