"""Drafts from the prompt: found where the sequence repeats itself, and kept only where the model agrees."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmkit.models.cpu.int4_linear import has_int4_kernel
from llmkit.models.generation.drafts import DraftedSteps, PromptLookup
from llmkit.models.generation.shared_steps import SharedSteps
from tests.support.generation import greedy_request
from tests.support.int4_llama import SETTINGS, new_engine, new_model

VOCABULARY = 128
SEQUENCES = st.lists(st.integers(0, 3), min_size=2, max_size=60)


class Tokens(list[int]):
    """A cache of the tokens themselves."""

    def crop(self, tokens_to_remove: int) -> None:
        del self[tokens_to_remove:]


class KnowsOneSequence:
    """Steps of a model that continues one sequence, and nothing else."""

    row_cost, free_rows = 0.25, 11

    def __init__(self, sequence: Sequence[int]) -> None:
        self.sequence, self.passes = list(sequence), 0

    def logits(self, tokens: Sequence[int], cache: Tokens) -> torch.Tensor:
        self.passes += 1
        rows = []
        for token in tokens:
            cache.append(token)
            knows = cache == self.sequence[: len(cache)] and len(cache) < len(self.sequence)
            rows.append(self.sequence[len(cache)] if knows else VOCABULARY - 1)
        return torch.nn.functional.one_hot(torch.tensor(rows), VOCABULARY)


def decode(steps: KnowsOneSequence, prompt: int) -> tuple[list[int], Tokens]:
    """Decode to the sequence's end behind its first tokens; return all tokens and the cache."""
    tokens, cache = steps.sequence[:prompt], Tokens(steps.sequence[: prompt - 1])
    drafted: Any = DraftedSteps(steps)  # type: ignore[arg-type]
    while len(tokens) < len(steps.sequence):
        [logits] = drafted.logits(tokens, cache)
        tokens.append(int(logits.argmax()))
    drafted.remove_drafts(cache)
    return tokens, cache


@given(SEQUENCES, st.integers(1, 60))
def test_what_the_model_says_does_not_depend_on_drafts(sequence: list[int], prompt: int) -> None:
    steps = KnowsOneSequence(sequence)
    tokens, cache = decode(steps, min(prompt, len(sequence)))
    assert tokens == sequence
    assert cache == sequence[:-1]
    assert steps.passes <= len(sequence) - min(prompt, len(sequence))


def test_a_repeated_text_takes_few_passes_and_a_new_one_as_many_as_it_has_tokens() -> None:
    repeated, new = KnowsOneSequence([*range(40), *range(40)]), KnowsOneSequence(range(80))
    decode(repeated, 42)
    assert repeated.passes < 15, "of 38 tokens"
    steps: Any = DraftedSteps(new)  # type: ignore[arg-type]
    cache = Tokens(new.sequence[:41])
    for length in range(42, 80):
        steps.logits(new.sequence[:length], cache)
    assert (new.passes, len(cache)) == (38, 79)


@given(SEQUENCES, st.integers(0, 9))
def test_a_draft_is_what_followed_the_latest_occurrence_of_the_last_tokens(sequence: list[int], count: int) -> None:
    lookup = PromptLookup()
    for length in (len(sequence) // 2, len(sequence)):
        lookup.extend(sequence[:length])
    expected: list[int] = []
    for size in (2, 3):
        ends = [end for end in range(size, len(sequence)) if sequence[end - size : end] == sequence[-size:]]
        expected = sequence[ends[-1] : ends[-1] + count] if ends else expected
    assert lookup.find(count) == expected


@pytest.mark.parametrize("seconds", [{1: 1.0, 3: 1.2}, {1: 1.0, 3: 2.6}])
def test_what_a_further_row_costs_is_measured(seconds: dict[int, float], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0

    class Forward:
        shared_rows = 12

        def step_logits(self, tokens: Sequence[Sequence[int]], caches: Sequence[Any]) -> torch.Tensor:
            nonlocal clock
            clock += seconds[sum(map(len, tokens))]
            return torch.zeros(sum(map(len, tokens)), 5)

    class Cache:
        def get_seq_length(self) -> int:
            return 1

    monkeypatch.setattr(time, "perf_counter", lambda: clock)
    steps = SharedSteps(Forward(), threading.RLock())
    for _ in range(100):
        steps.logits([1], Cache())
        assert steps.logits([1, 2, 3], Cache()).shape == (3, 5)
    assert steps.row_cost == pytest.approx((seconds[3] - 1) / 2, abs=0.01)


@pytest.mark.parametrize("most", [0, 1, 2])
def test_no_draft_is_behind_the_end_of_a_completion(most: int) -> None:
    steps = KnowsOneSequence([*range(40), *range(40)])
    drafted, cache = DraftedSteps(steps), Tokens(steps.sequence[:49])  # type: ignore[arg-type]
    drafted.logits(steps.sequence[:50], cache, most)
    assert cache == steps.sequence[: 50 + most]


@pytest.mark.skipif(not has_int4_kernel(), reason="PyTorch has no 4-bit kernel for this processor")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_completions_are_the_same_with_drafts(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model, fast = new_model()
    widths: list[int] = []
    compute = fast.step_logits

    def counted(tokens: Sequence[Sequence[int]], caches: Sequence[Any]) -> torch.Tensor:
        widths.extend(map(len, tokens))
        return compute(tokens, caches)

    monkeypatch.setattr(fast, "step_logits", counted)
    request = greedy_request((5, 9, 30, 41, 7, 12, 5, 9, 30), **{"max_new_tokens": 40, **settings})
    engine = new_engine(fast, model)
    monkeypatch.setattr(PromptLookup, "find", lambda lookup, count: [*range(20, 20 + count)])
    with_wrong_drafts = engine.generate([request])[0][0]
    monkeypatch.undo()
    monkeypatch.setattr(fast, "step_logits", counted)
    with_drafts = engine.generate([request])[0][0]
    monkeypatch.setattr(PromptLookup, "find", lambda lookup, count: [])
    alone = engine.generate([request])[0][0]
    assert with_drafts.token_ids == with_wrong_drafts.token_ids == alone.token_ids
    assert len(alone.token_ids) < 3 or max(widths) > 1 or fast.shared_rows == 1
