"""The benchmark of hostile pages: each kind can be made, and one is measured."""

import pytest

from benchmarks import hostile


@pytest.mark.parametrize("name", hostile.PARTS)
def test_each_page_has_the_size_that_is_asked_for(name):
    assert 9_000 < len(hostile.page(name, 10_000)) < 10_200


@pytest.mark.slow
def test_a_page_is_measured_in_a_process():
    found = hostile.attempt("bold", 2_000, 30)
    assert found.outcome.endswith(" characters")
    assert found.seconds > 0
