"""Texts that are shorter than their summary would be are given back."""

from functools import reduce
from operator import add
from typing import Any

import pytest

from llmkit.chains import SummarizationChain
from llmkit.chains.summarization.results import CUT
from tests.support.summary_models import Brief, Reader


@pytest.mark.parametrize("text", ["Tom", " How to repair a watch\n", "时间", "It is ten. Is it? Yes."])
def test_a_title_is_given_back_without_a_model_call(text: str) -> None:
    for strategy in ("auto", "stuff", "map_reduce"):
        llm = Reader()
        chain = SummarizationChain(llm, strategy=strategy, max_new_tokens=24)
        summary = chain.invoke(text)
        assert (summary.text, summary.strategy, summary.model_calls) == (text.strip(), "source", 0)
        assert summary.complete
        assert [passage.text for passage in summary.passages] == [text]
        assert list(chain.stream(text)) == [summary]
        assert chain.plan(text) == []
        assert llm.asked == []


def test_a_text_that_is_no_longer_than_its_summary_is_given_back() -> None:
    text = "Ann: Is the lift still broken?\nBo: Yes, until Thursday.\nAnn: Then I will take the stairs."
    longer = Brief(answer="Ann says that the lift of her house is broken. Bo expects them to repair it on Thursday.")
    summary = SummarizationChain(longer, max_new_tokens=80).invoke(text)
    assert (summary.text, summary.strategy, summary.model_calls) == (text, "source", 1)
    assert reduce(add, SummarizationChain(longer, max_new_tokens=80).stream(text)) == summary
    shorter = SummarizationChain(Brief(), max_new_tokens=80).invoke(text)
    assert (shorter.text, shorter.strategy) == ("Tom has a watch.", "stuff")


def test_the_limits_of_a_summary_hold_for_a_title() -> None:
    llm = Brief(answer="Tom has it.")
    assert SummarizationChain(llm, max_words=3).invoke("Tom has the time by it.").text == "Tom has it."
    assert SummarizationChain(llm, max_new_tokens=2).invoke("Tom has the time by it.").strategy == "stuff"


@pytest.mark.parametrize(("limit", "cut"), [({"max_words": 3}, True), ({"max_words": 4}, False), ({}, False)])
def test_a_summary_that_ends_within_a_sentence_says_so(limit: dict[str, Any], cut: bool) -> None:
    text = "Tom: It is ten now. The watch is by the station, and the station is close to it. " * 9
    chain = SummarizationChain(Brief(answer="Tom has a watch. It is ten."), **limit)
    summary = chain.invoke(text)
    assert summary.text == ("Tom has a" if cut else "Tom has a watch." if limit else "Tom has a watch. It is ten.")
    assert (CUT in summary.notices) == cut
    assert summary.complete == (not limit)
    assert reduce(add, chain.stream(text)) == summary
