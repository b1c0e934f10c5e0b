import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from llmkit.cli.chat.events import Ended
from llmkit.cli.chat.keyboard import status_line
from llmkit.cli.chat.screens import ASCII

STATUS = Ended("models/smollm2-135m", "stop", tokens=60, used=4100, window=8192, first=0.25, seconds=3.0)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (100, "models/smollm2-135m · █████░░░░░ 4100 of 8192 tokens (50%) · 20 tokens/s · first after 0.2 s"),
        (80, "smollm2-135m · █████░░░░░ 4100/8192 (50%) · 20 tokens/s · first after 0.2 s"),
        (50, "smollm2-135m · 4100/8192 (50%) · 20 tokens/s"),
        (40, "smollm2-135m · 4100/8192 (50%)"),
        (20, "50% · smollm2-135m"),
        (10, "50% · smo"),
    ],
)
def test_the_model_and_the_window_come_first(columns, expected):
    assert status_line(STATUS, columns) == expected


def test_without_an_answer_and_without_unicode():
    status = Ended("m", "", tokens=0, used=1, window=8192, first=0, seconds=0)
    assert status_line(status, 80).translate(ASCII) == "m - #......... 1 of 8192 tokens (0%)"


@given(st.text(min_size=1), st.integers(0, 10**6), st.integers(1, 10**6), st.integers(2, 120))
def test_it_stays_one_row(model, used, window, columns):
    status = Ended(model, "stop", 9, used, window, 0.1, 1.0)
    assert cell_len(status_line(status, columns)) < columns
