"""What the tests of the local model share."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

settings.register_profile("models", deadline=None)  # a busy machine is no failure
settings.load_profile("models")


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """The models here are so small that threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
