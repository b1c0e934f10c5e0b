"""What the tests of the local model share."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

settings.register_profile("models", deadline=None)  # a busy machine is no failure
settings.load_profile("models")


_REAL = ("test_default_model", "test_standard")


@pytest.fixture(autouse=True, scope="module")
def one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tiny models are so small that threads would only wait for each other."""
    before = torch.get_num_threads()
    if request.module.__name__.rpartition(".")[2] not in _REAL:
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
