"""The notice that a model does not know a text's language: in a summary, and once in the log of each chain."""

import logging
from typing import Any

import pytest
from langchain_core.documents import Document

from llmkit.chains import SummarizationChain, ZeroShotClassificationChain
from llmkit.chains.language_notice import language_notice, text_sample
from llmkit.models import DEFAULT_EMBEDDER, DEFAULT_MODEL
from llmkit.models.weights.catalog import CATALOG
from tests.support.models import chat

GERMAN = "Der Aufzug ist noch immer kaputt, und niemand weiß, wann er repariert wird. Ich nehme also die Treppe."
ENGLISH = "The lift is still broken, and nobody knows when they will repair it. So I will take the stairs."
NOTICE = "the text seems to be in German, but smollm2-135m knows English: the result may be wrong"


def notices(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "seems to be in" in record.getMessage()]


def test_the_catalog_says_which_languages_its_models_know(default_llm: Any) -> None:
    assert {CATALOG[name].languages for name in (DEFAULT_MODEL, DEFAULT_EMBEDDER)} == {("en",)}
    assert default_llm.languages == ("en",)
    assert chat("llama").languages == ()


def test_only_a_language_that_is_not_known_is_noticed(default_llm: Any) -> None:
    assert language_notice(default_llm, GERMAN) == NOTICE
    assert language_notice(default_llm.bind(stop=["x"]), GERMAN) == NOTICE
    assert language_notice(default_llm, ENGLISH) is None
    assert language_notice(chat("llama"), GERMAN) is None  # nobody says what it knows


def test_the_text_of_every_form_of_input() -> None:
    for input in (GERMAN, Document(GERMAN), [Document(GERMAN)], {"text": GERMAN}, {"question": "?", "context": GERMAN}):
        assert text_sample(input) == GERMAN
    assert text_sample({"question": "?", "url": "http://localhost"}) == "?"
    others: list[Any] = [None, [], 3, {}]
    for other in others:
        assert text_sample(other) == ""


@pytest.mark.slow
def test_a_summary_has_the_notice_and_the_log_has_it_once(default_llm: Any, caplog: pytest.LogCaptureFixture) -> None:
    chain = SummarizationChain(default_llm, max_new_tokens=2, check_support=False)
    with caplog.at_level(logging.WARNING, "llmkit"):
        first, second, english = chain.batch([GERMAN, f"{GERMAN} Gut.", ENGLISH])
        *_, streamed = chain.stream(GERMAN)
    assert [NOTICE in summary.notices for summary in (first, second, english, streamed)] == [True, True, False, True]
    assert NOTICE in first._repr_html_()
    assert notices(caplog) == [NOTICE]


def test_other_chains_log_it_once(default_llm: Any, caplog: pytest.LogCaptureFixture) -> None:
    chain = ZeroShotClassificationChain(default_llm, ["complaint", "praise"])
    with caplog.at_level(logging.WARNING, "llmkit"):
        chain.batch([ENGLISH, GERMAN])
        chain.invoke(GERMAN)
    assert notices(caplog) == [NOTICE]
