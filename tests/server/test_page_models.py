"""The page of a server with two models: A and B are one each, and what the page counts is of the chosen one."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from llmkit import HuggingFaceChat
from llmkit.prompts import TaskPrompt
from tests.support import tiny
from tests.support.api_server import api_server, tiny_chat
from tests.support.browser import WatchedPages, running_browser, watched

pytestmark = pytest.mark.slow

MESSAGE = "Name a color."
WINDOW = 128


@pytest.fixture(scope="module")
def models() -> dict[str, HuggingFaceChat]:
    small = tiny.make("qwen3")
    return {
        "one": tiny_chat(temperature=0.35),
        "two": HuggingFaceChat(small.model, tokenizer=small.tokenizer, context_window=WINDOW),
    }


@pytest.fixture(scope="module")
def pages(models: dict[str, HuggingFaceChat]) -> Iterator[WatchedPages]:
    with (
        api_server(models["one"], "one", others={"two": models["two"]}) as server,
        running_browser() as browser,
        watched(browser, server.url) as pages,
    ):
        yield pages


def address_of(page: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).fragment)


def test_two_models_answer_side_by_side(pages: WatchedPages, models: dict[str, HuggingFaceChat]) -> None:
    settings = {f"{side}.{name}": value for side in "ab" for name, value in (("max_tokens", 6), ("temperature", 0))}
    page = pages.open("#" + urlencode({"view": "compare", "compare.message": MESSAGE, **settings}))
    assert [page.locator(f"#model-{side}").input_value() for side in "ab"] == ["one", "two"]
    assert page.locator("#model").is_hidden()

    def answers() -> list[str]:
        page.click("#compare-form .main")
        for side in "ab":
            page.wait_for_selector(f"[data-side={side}] .answer:not([aria-busy]) .foot small")
        return [str(page.locator(f"[data-side={side}] .text").text_content()) for side in "ab"]

    expected = {name: llm.invoke(MESSAGE, temperature=0, max_new_tokens=6).text for name, llm in models.items()}
    assert answers() == [expected["one"], expected["two"]]
    page.select_option("#model-a", "two")
    page.wait_for_url(lambda url: "a.model=two" in url)
    assert page.get_by_label("max_tokens, slider").nth(1).get_attribute("max") == str(WINDOW)
    assert answers() == [expected["two"]] * 2
    page.click("#python")
    program = page.locator("#export-code").text_content()
    assert program.count(f'HuggingFaceChat("{models["two"].model_name}"') == 2


def test_the_budget_is_that_of_the_chosen_model(pages: WatchedPages, models: dict[str, HuggingFaceChat]) -> None:
    page = pages.open("#" + urlencode({"view": "prompt", "prompt.text": MESSAGE}))
    page.wait_for_selector(f"#budget caption:has-text('{tiny.WINDOW} tokens')")
    page.select_option("#model", "two")
    page.wait_for_selector(f"#budget caption:has-text('{WINDOW} tokens')")
    tokens = TaskPrompt("").fit(MESSAGE, model=models["two"], max_new_tokens=64).tokens
    assert f"{tokens} tokens of prompt" in str(page.locator(".budget-bar").get_attribute("aria-label"))
    assert page.locator("#window").get_attribute("placeholder") == str(WINDOW)
    page.wait_for_url(lambda url: "model=two" in url)
    assert address_of(page)["model"] == ["two"]


def test_sliders_start_where_the_server_was_told_to(pages: WatchedPages) -> None:
    page = pages.open("#view=chat")
    settings = page.locator("#chat")
    assert settings.get_by_label("temperature", exact=True).input_value() == "0.35"
    assert settings.get_by_label("temperature, slider").input_value() == "0.35"
    assert settings.get_by_label("repetition_penalty", exact=True).input_value() == "1"
