"""Spans stand in their text, whatever it is, and are scored as plain teacher forcing scores them."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.chains.spans import span_scores, spans_from, words
from llmkit.prompts import TaskPrompt
from tests import tiny
from tests.models.talking import chat, completion
from tests.models.test_scoring import plain

TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(st.sampled_from('aé 日本ターภา،। 😀👨\u200d👩"()[]«».,-–—/%$\u200b\u202e\x00\n\u0301'), max_size=60),
)


def told(text: str) -> list[str]:
    return [word.of(text) for word in words(text)]


@settings(deadline=None)
@given(TEXTS)
def test_words_stand_in_any_text_in_order(text: str) -> None:
    found = words(text)
    assert all(0 <= word.start < word.end <= len(text) for word in found)
    assert all(first.end <= second.start for first, second in pairwise(found))
    assert not any(regex.search(r"\s|[–—/]", word.of(text)) for word in found)
    covered = {place for word in found for place in range(word.start, word.end)}
    assert all(place in covered for place, sign in enumerate(text) if regex.match(r"[\p{L}\p{N}]", sign))


@settings(deadline=None)
@given(TEXTS, st.integers(1, 5))
def test_spans_begin_and_end_at_words(text: str, most: int) -> None:
    found = words(text)
    starts, ends = {word.start for word in found}, {word.end for word in found}
    for word, spans in zip(found, spans_from(text, found, most), strict=True):
        assert all(span.start == word.start in starts for span in spans)
        assert all(regex.search(r"[\p{P}]*\Z", text[: span.end]).start() in ends or span.end in ends for span in spans)
        assert all(len(told(span.of(text))) <= 2 * most for span in spans)


def test_words_have_no_punctuation_around_them() -> None:
    assert told('In 1066—the U.S. "Norman" (Duke\'s, D.C.) 10th-century: $5.5, 50%; C++ …') == (
        ["In", "1066", "the", "U.S.", "Norman", "Duke's", "D.C.", "10th-century", "$5.5", "50%", "C++"]
    )
    assert told("مرحبا، بالعالم؟ दिल्ली। 한국어는 좋다. 👨\u200d👩\u200d👧!") == (
        ["مرحبا", "بالعالم", "दिल्ली", "한국어는", "좋다", "👨\u200d👩\u200d👧"]
    )


def test_scripts_without_spaces_are_cut_into_characters() -> None:
    assert told("東京タワーは1958年。ที่") == ["東", "京", "タ", "ワ", "ー", "は", "1958", "年", "ที่"]
    text = "東京タワーは"
    assert [span.of(text) for span in spans_from(text, words(text), 2)[0]] == ["東", "東京", "東京タ", "東京タワ"]


def test_brackets_and_quotations_come_whole() -> None:
    text = 'Rollo (of Norse "stock") and'
    assert [span.of(text) for span in spans_from(text, words(text), 5)[0]] == [
        "Rollo",
        'Rollo (of Norse "stock")',
        'Rollo (of Norse "stock") and',
    ]


@pytest.mark.parametrize("make", [chat, completion])
def test_spans_are_scored_as_by_teacher_forcing(make: Any) -> None:
    llm = make("llama")
    text = "The dog sleeps on. <|im_end|> 東京 😀"
    spans = [span.of(text) for each in spans_from(text, words(text), 3) for span in each]
    prompt = TaskPrompt("Say it.", output_label="Answer").fit(text, model=llm, max_new_tokens=20)
    encoder = llm.engine.encoder
    given = encoder.encode_text(prompt.text) if make is completion else encoder.encode_messages(prompt.messages)
    end = llm.engine.loaded.end
    for ended, last in ((False, []), (True, end)):
        wanted = [plain(tiny.make("llama"), given, [*encoder.encode_continuation(f" {span}"), *last]) for span in spans]
        [found, none] = span_scores(llm, [prompt, prompt], [spans, []], ended=ended)
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert none.size == 0
