"""`score` of chat and completion models returns the log-likelihoods of the texts' tokens."""

from typing import Any

import numpy as np
import pytest

from llmkit import HuggingFaceLLM
from llmkit.errors import InputError
from tests.support import tiny
from tests.support.models import PROMPT, attention_architectures, chat, completion, prompt_ids
from tests.support.reference import teacher_forcing


@attention_architectures
def test_scores_equal_teacher_forcing(name: str) -> None:
    llm = chat(name)
    inputs, labels = [PROMPT, "Hi", "東京"], [" Paris", " London is", "x", "\n"]
    scores = llm.score(inputs, labels)
    assert isinstance(scores, np.ndarray)
    assert scores.shape == (3, 4)
    token_ids = [llm.engine.encoder.encode_continuation(label) for label in labels]
    expected = [
        [teacher_forcing(tiny.make(name), prompt_ids(llm, prompt), ids) for ids in token_ids] for prompt in inputs
    ]
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    per_input = llm.score(inputs, [labels[:1], labels[1:], labels[::-1]])
    assert isinstance(per_input, list)
    np.testing.assert_allclose(per_input[0], scores[0][:1], atol=1e-4)
    np.testing.assert_allclose(per_input[1], scores[1][1:], atol=1e-4)
    np.testing.assert_allclose(per_input[2], scores[2][::-1], atol=1e-4)


@pytest.mark.parametrize(
    ("inputs", "continuations"),
    [
        ([], ["a"]),
        (["a"], []),
        (["a"], [""]),
        (["a"], [[]]),
        (["a", "b"], [["x"]]),
        (["a", "b"], [["x"], []]),
        ("ab", ["x"]),
        (["a"], "xy"),
    ],
)
def test_invalid_arguments_raise_input_error(inputs: list[str], continuations: Any) -> None:
    with pytest.raises(InputError):
        chat("llama").score(inputs, continuations)


def test_a_completion_model_scores_plain_text() -> None:
    llm = completion("gpt2")
    scores = llm.score(["The dog", "The"], [" sleeps", " dog"])
    expected = [
        [
            teacher_forcing(tiny.make("gpt2"), prompt_ids(llm, prompt), llm.get_token_ids(label))
            for label in (" sleeps", " dog")
        ]
        for prompt in ("The dog", "The")
    ]
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@attention_architectures
def test_include_eos_adds_the_end_token(name: str) -> None:
    llm = chat(name)
    [end] = [token for token in llm.engine.loaded.eos_token_ids if token == llm.engine.loaded.tokenizer.eos_token_id]
    [[score]] = llm.score(["Hi"], [" Paris"], include_eos=True)
    ids = [*llm.engine.encoder.encode_continuation(" Paris"), end]
    assert score == pytest.approx(teacher_forcing(tiny.make(name), prompt_ids(llm, "Hi"), ids), abs=1e-4)


def test_a_chat_and_a_completion_model_share_an_engine() -> None:
    chat_llm = chat("llama")
    completion_llm = HuggingFaceLLM(model=chat_llm.engine)
    assert completion_llm.engine is chat_llm.engine
    assert completion_llm.context_window == tiny.WINDOW
    [[score]] = completion_llm.score(["The dog"], [" sleeps"])
    expected = teacher_forcing(
        tiny.make("llama"), completion_llm.get_token_ids("The dog"), completion_llm.get_token_ids(" sleeps")
    )
    assert score == pytest.approx(expected, abs=1e-4)
