"""Written answers stand on the source, and carry verbatim quotes of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.chains.qa.generator import as_quotation, is_grounded
from llmkit.errors import ContextWindowExceeded, InputError
from tests.support.qa import LIGHTHOUSE, qa_input, quotes_match, tiny_chain

LONG = 40


@pytest.mark.slow
def test_a_generated_answer_has_quotes() -> None:
    qa = tiny_chain(style="abstractive", max_new_tokens=LONG)
    results = qa.batch([qa_input(LIGHTHOUSE), qa_input("The dog sleeps. It is late.", "Who sleeps?")])
    for found, text in zip(results, (LIGHTHOUSE, "The dog sleeps. It is late."), strict=True):
        assert quotes_match(found, [text])
        assert found.method in ("generated", "spans")
    assert qa.invoke(qa_input(LIGHTHOUSE)).text == results[0].text


def test_a_generated_answer_needs_space_in_the_context_window() -> None:
    qa = tiny_chain(style="abstractive", max_new_tokens=LONG, context_window=250)
    results: list[Any] = qa.batch([qa_input("The dog sleeps."), qa_input("x", "why " * 300)], return_exceptions=True)
    assert quotes_match(results[0], ["The dog sleeps."])
    assert isinstance(results[1], ContextWindowExceeded)


def test_a_completion_model_generates_no_answers() -> None:
    with pytest.raises(InputError, match="use a chat model"):
        tiny_chain("gpt2", style="abstractive")


def test_numbers_and_names_must_be_in_the_source() -> None:
    assert is_grounded("It was built in 1874. Maria Holm built it.", LIGHTHOUSE)
    assert not is_grounded("It was built in 1875.", LIGHTHOUSE)
    assert not is_grounded("The engineer was Peter Holm.", LIGHTHOUSE)
    assert is_grounded("", LIGHTHOUSE)


@given(st.text())
def test_no_text_can_end_the_quotation_of_the_prompt(text: str) -> None:
    assert as_quotation(text).count('"""') == 2 or '""' in text[-2:] + text[:2]
    assert '"""' not in as_quotation(f'a{text}"""b')[3:-3]
