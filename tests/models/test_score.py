"""`score` of the chat and the completion model: texts are scored as their tokens are."""

from typing import Any

import numpy as np
import pytest

from llmkit import HuggingFaceLLM
from llmkit.errors import InputError
from tests.support import tiny
from tests.support.models import PROMPT, attention_architectures, chat, completion, prompt_ids
from tests.support.reference import teacher_forcing


@attention_architectures
def test_texts_are_scored_by_their_tokens(name: str) -> None:
    llm = chat(name)
    inputs, labels = [PROMPT, "Hi", "東京"], [" Paris", " London is", "x", "\n"]
    scores = llm.score(inputs, labels)
    assert isinstance(scores, np.ndarray)
    assert scores.shape == (3, 4)
    known = [llm.engine.encoder.encode_continuation(label) for label in labels]
    want = [[teacher_forcing(tiny.make(name), prompt_ids(llm, given), ids) for ids in known] for given in inputs]
    np.testing.assert_allclose(scores, want, atol=1e-4)
    own = llm.score(inputs, [labels[:1], labels[1:], labels[::-1]])
    assert isinstance(own, list)
    np.testing.assert_allclose(own[0], scores[0][:1], atol=1e-4)
    np.testing.assert_allclose(own[1], scores[1][1:], atol=1e-4)
    np.testing.assert_allclose(own[2], scores[2][::-1], atol=1e-4)


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
def test_invalid_arguments(inputs: list[str], continuations: Any) -> None:
    with pytest.raises(InputError):
        chat("llama").score(inputs, continuations)


def test_a_completion_model_scores_plain_text() -> None:
    llm = completion("gpt2")
    scores = llm.score(["The dog", "The"], [" sleeps", " dog"])
    want = [
        [
            teacher_forcing(tiny.make("gpt2"), prompt_ids(llm, given), llm.get_token_ids(label))
            for label in (" sleeps", " dog")
        ]
        for given in ("The dog", "The")
    ]
    np.testing.assert_allclose(scores, want, atol=1e-4)


@attention_architectures
def test_include_eos(name: str) -> None:
    llm = chat(name)
    [end] = [token for token in llm.engine.loaded.eos_token_ids if token == llm.engine.loaded.tokenizer.eos_token_id]
    [[score]] = llm.score(["Hi"], [" Paris"], include_eos=True)
    ids = [*llm.engine.encoder.encode_continuation(" Paris"), end]
    assert score == pytest.approx(teacher_forcing(tiny.make(name), prompt_ids(llm, "Hi"), ids), abs=1e-4)


def test_two_models_share_an_engine() -> None:
    chats = chat("llama")
    plain_one = HuggingFaceLLM(model=chats.engine)
    assert plain_one.engine is chats.engine
    assert plain_one.context_window == tiny.WINDOW
    [[score]] = plain_one.score(["The dog"], [" sleeps"])
    wanted = teacher_forcing(tiny.make("llama"), plain_one.get_token_ids("The dog"), plain_one.get_token_ids(" sleeps"))
    assert score == pytest.approx(wanted, abs=1e-4)
