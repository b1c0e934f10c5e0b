"""Share fixtures and Hypothesis settings among the tests of local models."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

from llmkit.models.kv_cache import prefix_cache

settings.register_profile("models", deadline=None)  # a slow machine must not fail a test
settings.load_profile("models")


_REAL_MODEL_MODULES = ("test_default_model", "test_standard")


@pytest.fixture(autouse=True, scope="module")
def one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run tiny models on one thread: more threads would only wait for each other."""
    before = torch.get_num_threads()
    if request.module.__name__.rpartition(".")[2] not in _REAL_MODEL_MODULES:
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="module")
def small_blocks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compute the prompts of tiny models in small blocks: they have fewer tokens than a usual block."""
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__.rpartition(".")[2] not in _REAL_MODEL_MODULES:
            patch.setitem(prefix_cache.BLOCK_TOKENS, "cpu", 8)
        yield
