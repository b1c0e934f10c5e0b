"""Marks, by which one sees which blocks are kept."""

from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from llmkit.web import read
from llmkit.web.blocks import read_blocks
from llmkit.web.marked_page import Marks
from tests.support.pages import after_story

BLOCK = read_blocks(BeautifulSoup("<p>x</p>", "lxml"))[0]


@given(st.integers(1, 300_000), st.data())
def test_marks_are_read_back(count, data):
    marks = Marks([BLOCK] * count)
    numbers = data.draw(st.sets(st.integers(0, count - 1), max_size=9))
    text = " and ".join(f"{marks.mark(number)}words" for number in numbers)
    assert marks.found_in(text) == numbers


def test_signs_of_the_page_are_no_marks():
    assert after_story("<p>The sign 𝠀𝡁 is written so.</p>") == "The sign 𝠀𝡁 is written so."
    assert read("<p>𝠀</p>").page_content == "𝠀"
