"""Log-likelihoods equal plain teacher forcing, for every architecture and any number of inputs."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.models.generation.engine import Engine
from llmkit.models.scoring import teacher_forcing as padded_rows
from llmkit.models.scoring import tree_passes
from tests.support import tiny
from tests.support.generation import forward_shapes
from tests.support.reference import teacher_forcing
from tests.support.tiny import Tiny

WITH_TOKEN_TREES = {"llama", "qwen3", "gpt2", "opt", "gpt_neox"}
"""Architectures that support token trees; the others (sliding windows, alibi, recurrent states) score in rows."""

PROMPTS = (
    "The quick brown fox",
    "What is the capital of France?",
    "The quick brown fox jumps over",
    "東京 is",
)
LABELS = (" Paris", " Par", " the dog", " the", " the dog sleeps on", "\n", "日本", " x")


@cache
def engine_of(name: str) -> Engine:
    return tiny.make(name).engine()


def tokens_of(model: Tiny, texts: Sequence[str]) -> list[list[int]]:
    return [model.tokenizer.encode(text, add_special_tokens=False) for text in texts]


def expected_scores(model: Tiny, prompts: Any, continuations: Any) -> list[list[float]]:
    return [
        [teacher_forcing(model, prompt, continuation) for continuation in options]
        for prompt, options in zip(prompts, continuations, strict=True)
    ]


def max_difference(scores: Any, expected: Any) -> float:
    """Return the greatest difference between two lists of rows, which must have the same lengths."""
    assert {row.dtype for row in scores} <= {np.dtype(np.float64)}
    assert [len(row) for row in scores] == [len(row) for row in expected]
    return max(float(np.abs(row - expected_row).max()) for row, expected_row in zip(scores, expected, strict=True))


@tiny.every_architecture
def test_scores_equal_teacher_forcing(name: str) -> None:
    model = tiny.make(name)
    prompts, labels = tokens_of(model, PROMPTS), tokens_of(model, LABELS)
    engine = model.engine()
    expected = expected_scores(model, prompts, [labels] * len(prompts))
    assert max_difference(engine.scorer.score(prompts, [labels] * len(prompts)), expected) < 1e-4
    assert max_difference(engine.scorer.score(prompts, [labels] * len(prompts)), expected) < 1e-4
    assert max_difference(engine.scorer.score(prompts[:1], [labels]), expected[:1]) < 1e-4
    per_prompt = [labels[:1], labels[3:], labels[2:5] * 2, labels[::-1]]
    assert max_difference(engine.scorer.score(prompts, per_prompt), expected_scores(model, prompts, per_prompt)) < 1e-4


@tiny.every_decoder
def test_token_trees_are_supported_by_the_expected_architectures(name: str) -> None:
    assert engine_of(name).scorer.supports_token_trees == (name in WITH_TOKEN_TREES)


@tiny.every_architecture
def test_hundreds_of_continuations_are_scored_in_parts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_passes, "PASS_TOKENS", 100)
    monkeypatch.setattr(padded_rows, "ROWS_TOKENS", 400)
    model, engine = tiny.make(name), engine_of(name)
    [prompt] = tokens_of(model, PROMPTS[:1])
    vocabulary = len(model.tokenizer)
    options = [[5 + i % 7, 20 + i % (vocabulary - 30), *range(9, 9 + i % 4)] for i in range(250)]
    sample = range(0, 250, 25)
    [scores] = engine.scorer.score([prompt], [options])
    np.testing.assert_allclose(scores[::25], [teacher_forcing(model, prompt, options[at]) for at in sample], atol=1e-4)


def test_a_token_tree_is_one_forward_pass_and_a_shared_prefix_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_passes, "GROUP_TOKENS", 2048)
    model = tiny.make("llama")
    engine = model.engine()
    assert engine.scorer.supports_token_trees
    shared = tokens_of(model, ["The dog sleeps on. " * 5])[0]
    engine.prefix_cache.block_tokens = len(shared)
    prompts = [[*shared, *suffix] for suffix in tokens_of(model, PROMPTS)]
    labels = tokens_of(model, LABELS)
    with forward_shapes(engine) as shapes:
        scores = engine.scorer.score(prompts, [labels] * len(prompts))
    assert len(shapes) == 2
    assert shapes[0] == (1, len(shared))
    assert max_difference(scores, expected_scores(model, prompts, [labels] * len(prompts))) < 1e-4
    with forward_shapes(engine) as shapes:
        engine.scorer.score(prompts, [labels] * len(prompts))
    assert len(shapes) == 1


@pytest.mark.parametrize("budget", [0, 3000])
def test_scores_do_not_depend_on_the_prefix_cache(budget: int) -> None:
    model = tiny.make("llama")
    engine = model.engine()
    engine.prefix_cache.max_bytes = budget
    prompts, labels = tokens_of(model, PROMPTS), tokens_of(model, LABELS)
    expected = expected_scores(model, prompts, [labels] * len(prompts))
    assert max_difference(engine.scorer.score(prompts, [labels] * len(prompts)), expected) < 1e-4
    assert engine.scorer.supports_token_trees


token_lists = st.lists(st.integers(4, 8), min_size=1, max_size=6)


@pytest.mark.slow
@given(
    st.lists(st.tuples(token_lists, st.lists(token_lists, min_size=1, max_size=6)), min_size=1, max_size=4),
    st.integers(1, 40),
)
@settings(max_examples=40)
@pytest.mark.parametrize("name", ["llama", "gpt_neox", "mistral", "bart"])
def test_scores_of_any_prompts_and_continuations_equal_teacher_forcing(
    name: str, pairs: list[tuple[list[int], list[list[int]]]], size: int
) -> None:
    model = tiny.make(name)
    prompts, options = [prompt for prompt, _ in pairs], [options for _, options in pairs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_passes, "PASS_TOKENS", size)
        patch.setattr(tree_passes, "GROUP_TOKENS", size)
        scores = engine_of(name).scorer.score(prompts, options)
    assert max_difference(scores, expected_scores(model, prompts, options)) < 1e-4


@tiny.every_architecture
def test_empty_prompts_and_continuations_raise_input_error(name: str) -> None:
    engine = engine_of(name)
    for prompts, options in (([[]], [[[5]]]), ([[5]], [[[]]]), ([[5], [6]], [[[5]], [[5], []]])):
        with pytest.raises(InputError, match="at least one token"):
            engine.scorer.score(prompts, options)


@tiny.every_architecture
def test_the_context_window_is_checked_before_any_forward_pass(name: str) -> None:
    engine = engine_of(name)
    with forward_shapes(engine) as shapes, pytest.raises(ContextWindowExceeded) as caught:
        engine.scorer.score([[5] * 8, [5] * (tiny.WINDOW + 1)], [[[6]], [[6] * 3]])
    assert not shapes
    assert caught.value.available == tiny.WINDOW
    if not engine.loaded.is_encoder_decoder:
        assert caught.value.needed == tiny.WINDOW + 4
        assert engine.scorer.score([[5] * (tiny.WINDOW - 1)], [[[6]]])[0].shape == (1,)
