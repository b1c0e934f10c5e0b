"""Scores in rows of trees, as on a GPU, equal teacher forcing; passes are full and their memory is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.errors import GenerationError
from llmkit.models.fast.kernels import PlainKernels
from llmkit.models.fast.llama import FastLlama
from llmkit.models.generation.engine import Engine
from llmkit.models.scoring import row_plan, tree_rows
from llmkit.models.scoring.row_plan import join_rows, pack_rows
from llmkit.models.scoring.tree_rows import TreeRows
from llmkit.models.weights.loading import from_objects
from tests.support import tiny
from tests.support.generation import forward_shapes
from tests.support.reference import teacher_forcing

NAMES = ("llama", "qwen3", "gpt2", "opt", "gpt_neox")
PREFIX = list(range(5, 45))
LABELS = [[20, 21], [20, 21, 22], [23], [24, 25, 26, 27]]


def engine_of(name: str, *, fast: bool = False) -> Engine:
    """Return an engine that scores as on a GPU."""
    model = tiny.make(name)
    loaded = from_objects(model.model, model.tokenizer, context_window=tiny.WINDOW)
    if fast:
        loaded.fast_forward = FastLlama(model.model, PlainKernels(fuses=True))
    engine = Engine(loaded)
    engine.scorer.trees = TreeRows(loaded, engine.prefix_cache)
    return engine


def prompts_of(count: int, prefix: Sequence[int] = ()) -> list[list[int]]:
    """Return prompts of different lengths, of which some begin alike."""
    return [
        [*prefix, *(5 + (number * 7 + at * at) % 40 for at in range(3 + number % 5 * 4))] for number in range(count)
    ]


def assert_equal_to_teacher_forcing(name: str, found: Any, prompts: Any, continuations: Any) -> None:
    model = tiny.make(name)
    for row, prompt, options in zip(found, prompts, continuations, strict=True):
        np.testing.assert_allclose(row, [teacher_forcing(model, prompt, option) for option in options], atol=1e-4)


@pytest.mark.parametrize(("name", "fast"), [*((name, False) for name in NAMES), ("llama", True)])
@pytest.mark.parametrize("prefix", [[], PREFIX])
def test_scores_in_rows_equal_teacher_forcing(
    name: str, fast: bool, prefix: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_rows, "MIN_PREFIX_TOKENS", 60)
    engine, prompts = engine_of(name, fast=fast), prompts_of(7, prefix)
    assert engine.scorer.supports_token_trees
    continuations = [LABELS, LABELS[1:], LABELS, LABELS[::-1], LABELS[:1] * 2, LABELS, LABELS[2:]]
    assert_equal_to_teacher_forcing(name, engine.scorer.score(prompts, continuations), prompts, continuations)
    assert_equal_to_teacher_forcing(name, engine.scorer.score(prompts[:1], [LABELS]), prompts[:1], [LABELS])


token_lists = st.lists(st.integers(4, 8), min_size=1, max_size=6)


@pytest.mark.slow
@given(
    st.lists(st.tuples(token_lists, st.lists(token_lists, min_size=1, max_size=6)), min_size=1, max_size=6),
    st.integers(1, 40),
    st.integers(1, 60),
    st.integers(1, 10),
    st.integers(1, 12),
)
@settings(max_examples=60)
@pytest.mark.parametrize(("name", "fast"), [("llama", True), ("llama", False), ("gpt_neox", False)])
def test_scores_of_any_prompts_in_passes_of_any_size_equal_teacher_forcing(
    name: str,
    fast: bool,
    pairs: list[tuple[list[int], list[list[int]]]],
    row_tokens: int,
    pass_tokens: int,
    least_prefix: int,
    longest: int,
) -> None:
    prompts, options = [prompt for prompt, _ in pairs], [options for _, options in pairs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_plan, "ROW_TOKENS", row_tokens)
        patch.setattr(tree_rows, "LEAST_PASS_TOKENS", pass_tokens)
        patch.setattr(tree_rows, "MIN_PREFIX_TOKENS", least_prefix)
        patch.setattr(tree_rows, "MAX_ROW_PROMPT", longest)
        scores = engine_of(name, fast=fast).scorer.score(prompts, options)
    assert_equal_to_teacher_forcing(name, scores, prompts, options)


def test_passes_are_full_and_a_common_prefix_is_computed_once() -> None:
    engine, prompts = engine_of("llama"), prompts_of(40, PREFIX)
    assert engine.scorer.supports_token_trees
    with forward_shapes(engine) as shapes:
        engine.scorer.score(prompts, [LABELS] * len(prompts))
    assert sum(tokens for rows, tokens in shapes if rows == 1) == len(PREFIX)
    [(rows, tokens)] = (shape for shape in shapes if shape[0] > 1)
    assert tree_rows.LEAST_PASS_TOKENS / 2 < rows * tokens <= tree_rows.LEAST_PASS_TOKENS


def test_rows_of_a_pass_are_alike_in_length_and_within_the_limits() -> None:
    prompts = [[number, *[9] * (3 + number * 13 % 50)] for number in range(60)]
    rows = join_rows(prompts, [LABELS] * len(prompts))
    passes = list(pack_rows(rows, max_tokens=400, max_kept=100))
    assert sorted(member.prompt for batch in passes for row in batch for member in row.members) == list(range(60))
    for batch in passes:
        widest = max(row.tokens for row in batch)
        assert len(batch) == 1 or len(batch) * widest <= 400
        assert len(batch) == 1 or len(batch) * max(row.kept for row in batch) <= 100
    padded = sum(len(batch) * max(row.tokens for row in batch) for batch in passes)
    assert padded < 1.25 * sum(row.tokens for row in rows)


def test_prompts_that_share_half_of_their_tokens_share_a_row_and_many_continuations_have_rows_of_their_own() -> None:
    long = [1] * 40
    rows = join_rows([[*long, 2], [*long, 3], [4, 5]], [LABELS] * 3)
    assert [[member.prompt for member in row.members] for row in rows] == [[0, 1], [2]]
    assert rows[0].tokens < 41 + 41
    many = [[7, number, number + 1] for number in range(900)]
    split = join_rows([long], [many])
    assert sorted(at for row in split for member in row.members for at in member.options) == list(range(900))
    assert all(row.tokens <= row_plan.ROW_TOKENS for row in split)


@pytest.mark.parametrize("fast", [False, True])
def test_a_pass_that_does_not_fit_the_memory_is_halved(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, prompts = engine_of("llama", fast=fast), prompts_of(9)
    name = "_fast_logits" if fast else "_logits"
    compute, sizes = getattr(engine.scorer.trees, name), list[int]()
    assert engine.scorer.supports_token_trees

    def limited(prefix: Any, trees: Any) -> Any:
        sizes.append(len(trees.tokens))
        if len(trees.tokens) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return compute(prefix, trees)

    monkeypatch.setattr(engine.scorer.trees, name, limited)
    continuations = [LABELS] * len(prompts)
    assert_equal_to_teacher_forcing("llama", engine.scorer.score(prompts, continuations), prompts, continuations)
    assert max(sizes) > 3
    monkeypatch.setattr(engine.scorer.trees, name, lambda *_: limited(None, type("", (), {"tokens": [0] * 4})))
    with pytest.raises(GenerationError, match="need more memory"):
        engine.scorer.score(prompts[:1], [LABELS])


def test_a_long_prompt_is_scored_behind_whole_blocks_that_are_kept() -> None:
    engine = engine_of("llama")
    engine.prefix_cache.block_tokens = 16
    prompt = prompts_of(1, PREFIX)[0]
    assert engine.scorer.supports_token_trees
    passes = []
    for _ in range(2):
        with forward_shapes(engine) as shapes:
            scores = engine.scorer.score([prompt], [LABELS])
        assert_equal_to_teacher_forcing("llama", scores, [prompt], [LABELS])
        passes.append(len(shapes))
    assert passes[0] > 1
    assert passes[1] == 1
