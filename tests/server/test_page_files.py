"""The files of the page: what is sent, how much, and what none of them may have."""

import re

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from llmkit.server.page_files import page_files

MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|\beval\(|new Function"
)
INLINE = re.compile(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:")
ELSEWHERE = re.compile(r"https?://(?!www\.w3\.org/2000/svg\b)[\w.]")


def test_the_first_page_is_small():
    assert 20_000 < sum(map(len, page_files().values())) < 200_000


@pytest.mark.parametrize("name", sorted(page_files()))
def test_text_cannot_become_markup_and_nothing_comes_from_elsewhere(name):
    text = page_files()[name].decode()
    assert not MARKUP.search(text)
    assert not ELSEWHERE.search(text)
    assert name != "index.html" or not INLINE.search(text)


def test_all_that_a_file_names_is_there():
    texts = [content.decode() for content in page_files().values()]
    named = {name for text in texts for name in re.findall(r"/page/([\w.-]+)", text)}
    assert named | {"index.html"} == set(page_files())


@pytest.mark.parametrize("name", sorted(name for name in page_files() if name.endswith((".js", ".css", ".html"))))
def test_files_are_short(name):
    assert page_files()[name].decode().count("\n") <= 300
