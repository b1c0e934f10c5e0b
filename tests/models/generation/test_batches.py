"""The size of a batch follows from the free memory of a device, by what batches so far took."""

from __future__ import annotations

import pytest
import torch

from llmkit.models.batch_sizes import BATCH_TOKENS, BatchSizes, memory_of
from llmkit.models.generation.batches import split_batches
from llmkit.models.generation.completion import GenerationRequest
from llmkit.models.generation.settings import GenerationSettings
from llmkit.models.weights.loading import from_objects
from tests.support import tiny

GIB = 2**30


class KnownMemory:
    """A device whose batches take what the test says."""

    def __init__(self, free: int) -> None:
        self.available, self.taken = free, 0

    def free(self) -> int:
        return self.available

    def start_measuring(self) -> int:
        return 7 * GIB

    def peak(self) -> int:
        return 7 * GIB + self.taken


def sizes_on(memory: KnownMemory | None) -> BatchSizes:
    model = tiny.make("llama")
    return BatchSizes(from_objects(model.model, model.tokenizer, context_window=tiny.WINDOW), memory)


def compute(sizes: BatchSizes, memory: KnownMemory, tokens: int, taken: int) -> None:
    memory.taken = taken
    with sizes.measure(tokens):
        pass


def test_a_cpu_has_a_number_of_tokens() -> None:
    assert memory_of(torch.device("cpu")) is None
    assert sizes_on(None).max_tokens == BATCH_TOKENS


def test_more_free_memory_holds_more_tokens() -> None:
    sizes = [sizes_on(KnownMemory(free * GIB)).max_tokens for free in (0, 8, 16, 80)]
    assert sizes[0] == BATCH_TOKENS, "also where there seems to be none: a batch that does not fit is halved"
    assert sizes[2] == pytest.approx(2 * sizes[1], abs=2)
    assert sizes[3] == pytest.approx(10 * sizes[1], abs=10)


def test_a_pass_has_at_least_and_at_most_so_many_tokens() -> None:
    model = tiny.make("llama")
    loaded = from_objects(model.model, model.tokenizer, context_window=tiny.WINDOW)
    limits = [BatchSizes(loaded, KnownMemory(free * GIB), 100, 20_000).max_tokens for free in (0, 80)]
    assert limits == [100, 20_000]
    assert BatchSizes(loaded, None, 100, 20_000).max_tokens == 100


def test_measured_batches_replace_the_estimate_and_then_only_the_largest_counts() -> None:
    memory = KnownMemory(8 * GIB)
    sizes = sizes_on(memory)
    compute(sizes, memory, 100_000, taken=100_000 * 2**16)
    assert sizes.max_tokens == 4 * GIB // 2**16
    compute(sizes, memory, 100_000, taken=100_000 * 2**10)
    assert sizes.max_tokens == 4 * GIB // 2**16, "short completions take less than their limit"
    compute(sizes, memory, 100_000, taken=100_000 * 2**17)
    assert sizes.max_tokens == 4 * GIB // 2**17


def test_small_batches_are_not_measured() -> None:
    memory = KnownMemory(8 * GIB)
    sizes = sizes_on(memory)
    before = sizes.max_tokens
    compute(sizes, memory, 100, taken=GIB)
    assert sizes.max_tokens == before


def test_an_error_leaves_the_estimate() -> None:
    memory = KnownMemory(8 * GIB)
    sizes, memory.taken = sizes_on(memory), GIB
    before = sizes.max_tokens
    with pytest.raises(RuntimeError), sizes.measure(100_000):
        raise RuntimeError("out of memory")
    assert sizes.max_tokens == before


def test_a_larger_batch_holds_more_prompts() -> None:
    settings = GenerationSettings(max_new_tokens=50)
    requests = [GenerationRequest((5,) * 50, settings) for _ in range(200)]
    assert [len(batch) for batch in split_batches(requests, [50] * 200, 8_000)] == [80, 80, 40]
    assert [len(batch) for batch in split_batches(requests, [50] * 200, 20_000)] == [200]
