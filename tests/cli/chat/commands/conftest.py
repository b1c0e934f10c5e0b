"""A file to attach."""

import pytest

from tests.support.texts import MILL


@pytest.fixture
def mill(tmp_path):
    path = tmp_path / "the mill.txt"
    path.write_text(MILL)
    return path
