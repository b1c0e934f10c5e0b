"""The Python that the page shows does what the page does."""

import ast
import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from llmkit import HuggingFaceChat
from tests.support import tiny
from tests.support.api_server import api_server
from tests.support.browser import WatchedPages, running_browser, watched

pytestmark = pytest.mark.slow

WORDS = 'He said "no" \\ and left: {x} \u2028 \u202e\x9b 😀'
VIEWS = {
    "compare": {
        "compare.message": WORDS,
        "a.temperature": "0",
        "a.max_tokens": "3",
        "b.max_tokens": "3",
        "b.seed": "4",
        "b.system": WORDS,
    },
    "prompt": {
        "prompt.instruction": f"Label it. {WORDS}",
        "prompt.input_label": "Text",
        "prompt.text": WORDS,
        "prompt.examples": '[{"input":"a text","output":"good"}]',
        "prompt.max_new_tokens": "3",
    },
    "classify": {"classify.labels": "good, bad", "classify.text": WORDS},
    "read": {"read.text": f"The mill was built in 1821. {WORDS}", "read.questions": "When?", "read.names": "person"},
    "summarize": {"summarize.text": f"{WORDS}. The mill was built in 1821. " * 3, "summarize.max_words": "8"},
}

DONE = {
    "compare": "#compare:not(:has([aria-busy])) [data-side=b] .foot small",
    "prompt": "#prompt-answer .foot small",
    "classify": "#classify-result table",
    "read": "#answers:not([aria-busy]) .card + .card",
    "summarize": "#summary .summary",
}
SHOWN = {
    "compare": "#compare .answer .text",
    "prompt": "#prompt-answer .text, #budget td:nth-child(2)",
    "classify": "#classify-result .number",
    "read": "#answers h3:not(:last-of-type), #answers strong, #answers .to-mark.name",
    "summarize": "#summary .summary",
}
TEXTS = "all => all.flatMap(one => [...one.childNodes].filter(node => node.nodeType === 3).map(node => node.data))"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    model, tokenizer = tiny.make("llama")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pages(folder: Path) -> Iterator[WatchedPages]:
    llm = HuggingFaceChat(str(folder))
    with (
        api_server(llm, str(folder)) as server,
        running_browser() as browser,
        watched(browser, server.url) as pages,
    ):
        yield pages


def run(page: Any) -> str:
    """Return what the program prints that the page shows."""
    page.click("#python")
    program = page.locator("#export-code").text_content()
    assert not set("\u2028\u202e\x9b").intersection(program)  # they are escaped: code reads in the order that it has
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "exported.py", "exec"), {})
    return printed.getvalue()


def test_the_program_of_a_chat_gives_the_same_answer(pages: WatchedPages) -> None:
    settings = {"temperature": "0.8", "seed": "7", "max_tokens": "12", "top_k": "20", "system": WORDS}
    page = pages.open("#" + urlencode({"view": "chat", **settings}))
    page.fill("#message", WORDS)
    page.keyboard.press("Enter")
    answer = page.locator("#messages .answer")
    answer.locator(".foot small").wait_for()
    text = answer.locator(".text").text_content()
    assert text
    assert run(page) == f"{text}\n"


@pytest.mark.parametrize("view", VIEWS)
def test_the_program_of_a_view_gives_what_the_page_shows(pages: WatchedPages, view: str) -> None:
    page = pages.open("#" + urlencode({"view": view, **VIEWS[view]}))
    page.click(f"#{view}-form .main")
    page.wait_for_selector(DONE[view])
    shown = [text for text in page.locator(SHOWN[view]).evaluate_all(TEXTS) if text.strip()]
    printed = run(page)
    if view == "classify":
        scores = [percent(value) for line in printed.splitlines() for value in ast.literal_eval(line).values()]
        assert sorted(scores) == sorted(shown)
    elif view == "compare":
        assert printed == "A: {}\nB: {}\n".format(*shown)
    else:
        assert shown
        assert [text for text in shown if text not in printed] == []


def percent(share: float) -> str:
    return f"{100 * share:.{1 if 0 < share < 0.0995 else 0}f} %"
