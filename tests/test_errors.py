"""Every error is an input error or a run error, and a subclass of a built-in exception."""

import copy
import inspect
import multiprocessing
import pickle
import re
from concurrent.futures import ProcessPoolExecutor

import pytest

from llmkit import errors
from llmkit.errors import (
    ContextWindowExceeded,
    GenerationTimeout,
    InputError,
    LlmkitError,
    ReductionError,
    RunError,
    kind_of,
)

CLASSES = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, LlmkitError)]
ARGUMENTS = {ContextWindowExceeded: (9000, 8192), GenerationTimeout: (2.5, 7)}


def example_of(error_class):
    error = error_class(*ARGUMENTS.get(error_class, ("what was wrong",)))
    error.add_note("in row 3")
    vars(error)["row"] = 3
    return error


def raise_example(name):
    raise example_of(getattr(errors, name))


def assert_same(error, expected):
    assert type(error) is type(expected)
    assert str(error) == str(expected)
    assert error.args == expected.args
    assert vars(error) == vars(expected)


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


@pytest.mark.parametrize("error_class", CLASSES)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_survive_pickling(error_class, protocol):
    error = example_of(error_class)
    for restored in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error), copy.deepcopy(error)):
        assert_same(restored, error)
        assert restored.__notes__ == ["in row 3"]


def test_a_pickled_error_keeps_its_attributes_and_says_its_advice_once():
    exceeded = pickle.loads(pickle.dumps(ContextWindowExceeded(9000, 8192, "a prompt", advice="shorten it")))
    assert (exceeded.needed, exceeded.available) == (9000, 8192)
    assert str(exceeded) == "a prompt needs 9000 tokens, but the model's context window has 8192: shorten it"
    reduction = ReductionError("the summaries stay too long")
    assert str(pickle.loads(pickle.dumps(reduction))) == str(reduction)
    assert isinstance(pickle.loads(pickle.dumps(GenerationTimeout(2.5, 7))), TimeoutError)


@pytest.mark.slow
def test_errors_cross_a_process_pool():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        raised = [pool.submit(raise_example, error_class.__name__).exception(timeout=120) for error_class in CLASSES]
    for error, error_class in zip(raised, CLASSES, strict=True):
        expected = example_of(error_class)
        assert type(error) is error_class
        assert (str(error), error.args, error.__notes__) == (str(expected), expected.args, ["in row 3"])
        assert vars(error)["row"] == 3


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "nothing"),
        (True, "True"),
        (3, "a number"),
        (0.5, "a number"),
        ("x", "a text"),
        ({}, "a dictionary"),
        ((), "a list"),
        (b"x", "bytes"),
        (InputError("x"), "InputError"),
    ],
)
def test_a_message_names_a_value_in_plain_words(value, kind):
    assert kind_of(value) == kind
