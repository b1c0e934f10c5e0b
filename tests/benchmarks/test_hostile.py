"""The benchmark of hostile inputs: pages can be made, and attempts are answered, refused, or what must not be."""

import os
import signal
import sys
import time

import pytest

from benchmarks.hostile import __main__, attempts, conversations, pages
from benchmarks.hostile.attempts import Attempt, run
from llmkit.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")


@pytest.mark.parametrize("name", pages.PARTS)
def test_each_page_has_the_size_that_is_asked_for(name):
    assert 9_000 < len(pages.page(name, 10_000)) < 10_200


def refuse():
    raise InputError("a text is\nempty")


def fail():
    raise ZeroDivisionError("division by zero")


def take_memory():
    return len(bytearray(10 << 30))


@pytest.mark.parametrize(
    ("function", "result", "text"),
    [
        (lambda: "a\nb", "answered", "a b"),
        (refuse, "refused", "InputError: a text is empty"),
        (fail, "else", "ZeroDivisionError: division by zero"),
        (take_memory, "else", "MemoryError:"),
        (lambda: time.sleep(60), "else", "more than 1 s"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "else", "ended by a signal"),
    ],
)
def test_what_comes_of_an_attempt(function, result, text):
    found = run(Attempt("a", function), 1)
    assert (found.result, found.text) == (result, text)
    assert found.seconds < 30


def test_memory_is_what_an_attempt_takes():
    assert 150 < run(Attempt("a", lambda: len(b"1" * (200 << 20))), 20).megabytes < 400


@pytest.mark.slow
def test_a_chat_that_is_killed_loses_no_turn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert conversations._kill(0).endswith(" turns")


def test_a_section_is_summed_up():
    outcome = attempts.Outcome("refused", "no", 1.0, 0.5, 20.0)
    row = __main__.summary({"one": outcome, "two": outcome._replace(result="else", seconds=3.0)})
    assert row[:4] == ["2", "0", "1", "1"]
    assert row[4] == "3.0 s ('two')"
    assert __main__.summary({})[0] == "0"


def test_unknown_sections_are_named():
    with pytest.raises(Exception, match="none: must be of pages, servers"):
        __main__.main(which=["none"], limit=1, name="", verbose=False)
    assert set(__main__.SECTIONS) == {"pages", "servers", "inputs", "conversations", "terminal", "folders"}
