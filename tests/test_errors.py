"""Every error is an input error or a run error, and a subclass of a built-in exception."""

import inspect
import re

import pytest

from llmkit import errors
from llmkit.errors import ContextWindowExceeded, InputError, LlmkitError, RunError

CLASSES = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, LlmkitError)]


def test_the_documented_tree_equals_the_class_hierarchy():
    drawn: dict[int, str] = {}
    parents: dict[str, str | None] = {}
    assert errors.__doc__ is not None
    for indent, name in re.findall(r"^([ │├└─]*)([A-Z]\w+)(?:  .*)?$", errors.__doc__, re.MULTILINE):
        drawn[len(indent)] = name
        shallower = [depth for depth in drawn if depth < len(indent)]
        parents[name] = drawn[max(shallower)] if shallower else None
    assert parents.pop("LlmkitError") is None
    assert parents == {error.__name__: error.__bases__[0].__name__ for error in CLASSES if error is not LlmkitError}


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_is_input_or_run(error):
    assert error is LlmkitError or issubclass(error, InputError) != issubclass(error, RunError)
    assert error.__doc__


def test_base_errors_are_built_in_exceptions():
    assert issubclass(InputError, ValueError)
    assert issubclass(RunError, RuntimeError)


def test_context_window_exceeded_reports_both_counts():
    error = ContextWindowExceeded(9000, 8192)
    assert (error.needed, error.available) == (9000, 8192)
    assert "need 9000 tokens" in str(error)
    assert "has 8192" in str(error)
