"""Spans stand in their text, whatever it is, and are scored as plain teacher forcing scores them."""

from typing import Any

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.chains.scoring import score_continuations, spans_from
from llmkit.prompts import TaskPrompt
from llmkit.text.words import words
from tests.support import tiny
from tests.support.models import chat, completion
from tests.support.reference import teacher_forcing
from tests.support.texts import TEXTS


@settings(deadline=None)
@given(TEXTS, st.integers(1, 5))
def test_spans_start_and_end_at_words(text: str, most: int) -> None:
    found = words(text)
    starts, ends = {word.start for word in found}, {word.end for word in found}
    for word, spans in zip(found, spans_from(text, found, most), strict=True):
        assert all(span.start == word.start in starts for span in spans)
        assert all(regex.search(r"[\p{P}]*\Z", text[: span.end]).start() in ends or span.end in ends for span in spans)
        assert all(len(words(span.of(text))) <= 2 * most for span in spans)


def test_characters_of_scripts_without_spaces_count_as_half_words() -> None:
    text = "東京タワーは"
    assert [span.of(text) for span in spans_from(text, words(text), 2)[0]] == ["東", "東京", "東京タ", "東京タワ"]


def test_brackets_and_quotations_are_complete() -> None:
    text = 'Rollo (of Norse "stock") and'
    assert [span.of(text) for span in spans_from(text, words(text), 5)[0]] == [
        "Rollo",
        'Rollo (of Norse "stock")',
        'Rollo (of Norse "stock") and',
    ]


@pytest.mark.parametrize("make", [chat, completion])
def test_span_scores_equal_teacher_forcing(make: Any) -> None:
    llm = make("llama")
    text = "The dog sleeps on. <|im_end|> 東京 😀"
    spans = [span.of(text) for each in spans_from(text, words(text), 3) for span in each]
    prompt = TaskPrompt("Say it.", output_label="Answer").fit(text, model=llm, max_new_tokens=20)
    encoder = llm.engine.encoder
    given = encoder.encode_text(prompt.text) if make is completion else encoder.encode_messages(prompt.messages)
    end = llm.engine.loaded.likeliest_eos
    for include_eos, last in ((False, []), (True, end)):
        wanted = [
            teacher_forcing(tiny.make("llama"), given, [*encoder.encode_continuation(f" {span}"), *last])
            for span in spans
        ]
        [found, none] = score_continuations(llm, [prompt, prompt], [spans, []], include_eos=include_eos)
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert none.size == 0
