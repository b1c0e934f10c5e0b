"""Answers on the page while they are streamed, in a real browser."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.api_server import api_server, gated_chat
from tests.support.browser import WatchedPages, running_browser, watched

pytestmark = pytest.mark.slow

BUSY = "#messages .answer[aria-busy]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_browser() as browser:
        yield browser


def ask(pages: WatchedPages, **settings: str) -> Any:
    """Open the chat, and send a message."""
    page = pages.open("#" + urlencode({"view": "chat", "temperature": "0", "max_tokens": "100", **settings}))
    page.fill("#message", "Tell a story.")
    page.keyboard.press("Enter")
    return page


def text_of(page: Any) -> str:
    return str(page.locator("#messages .answer .text").text_content()).removesuffix("■")


def test_an_answer_is_streamed_and_stopped(browser: Any) -> None:
    llm, gate = gated_chat(free=20)
    with api_server(llm) as server, watched(browser, server.url) as pages:
        page = ask(pages)
        page.wait_for_selector(f"{BUSY} .text:not(:empty)")  # while the model waits at the gate
        assert not page.locator("#chat-stop").is_disabled()
        page.keyboard.press("Escape")
        assert page.locator("#messages .foot small").text_content() == "stopped"
        text = page.locator("#messages .answer .text").text_content()
        gate.open.set()
        while server.requests():
            page.wait_for_timeout(20)
        assert page.locator("#messages .answer .text").text_content() == text
        assert gate.passes < 40  # the model has stopped, too
        assert page.locator("#chat-stop").is_disabled()


def test_tokens_are_colored_while_the_answer_is_streamed(browser: Any) -> None:
    llm, gate = gated_chat(free=20)
    with api_server(llm) as server, watched(browser, server.url) as pages:
        page = ask(pages, probabilities="1", max_tokens="24")
        page.locator(f"{BUSY} .text .token").nth(3).press("Enter")  # while the model waits at the gate
        assert page.locator(f"{BUSY} .alternatives button").count() > 8
        begun = page.locator(f"{BUSY} .text .token").all_text_contents()
        assert text_of(page).startswith("".join(begun))
        gate.open.set()
        page.wait_for_selector("#messages .answer:not([aria-busy])")
        tokens = page.locator("#messages .text .token").all_text_contents()
        whole = llm.invoke("Tell a story.", temperature=0, max_new_tokens=24).text
        assert "".join(tokens).removesuffix("■") == text_of(page) == whole
        assert tokens[: len(begun)] == begun != tokens
        assert page.locator("#messages .token.chosen").count() == 1  # it stays as it was, with its alternatives
        page.click("#probabilities")
        assert page.locator("#messages .text .token").count() == 0
        assert text_of(page) == whole


def test_an_answer_goes_on_from_a_token_of_the_stream(browser: Any) -> None:
    llm, gate = gated_chat(free=20)
    with api_server(llm) as server, watched(browser, server.url) as pages:
        page = ask(pages, probabilities="1", max_tokens="24")
        page.locator(f"{BUSY} .text .token").nth(3).press("Enter")
        begun = page.locator(f"{BUSY} .text .token").all_text_contents()[:3]
        page.locator(f"{BUSY} .alternatives button:not(:disabled):not(.quiet)").first.press("Enter")
        gate.open.set()
        page.wait_for_selector("#messages .answer:not([aria-busy])")
        tokens = page.locator("#messages .text .token").all_text_contents()
        assert tokens[:3] == begun
        assert "".join(tokens).removesuffix("■") == text_of(page)
        assert page.locator("#messages .foot small").count() == 1  # of the new answer only


def test_an_answer_that_goes_on_beside_another_is_stopped(browser: Any) -> None:
    llm, gate = gated_chat(free=100)
    values = {"compare.message": "Hello", "compare.probabilities": "1"}
    values |= {
        f"{side}.{name}": value for side in "ab" for name, value in {"temperature": "0", "max_tokens": "4"}.items()
    }
    with api_server(llm) as server, watched(browser, server.url) as pages:
        page = pages.open("#" + urlencode({"view": "compare", **values}))
        page.click("#compare-form .main")
        page.wait_for_selector("#compare:not(:has([aria-busy])) [data-side=b] .foot small")
        assert page.locator("#compare-stop").is_disabled()
        heights = page.locator(".sides .settings").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().top)"
        )
        assert heights[0] == heights[1]
        gate.free = gate.passes
        page.locator("[data-side=a] .text .token").nth(1).press("Enter")
        page.locator(".alternatives button:not(:disabled):not(.quiet)").first.press("Enter")
        page.wait_for_selector("[data-side=a] [aria-busy]")
        page.keyboard.press("Escape")
        page.wait_for_selector("[data-side=a] .answer:not([aria-busy])")
        assert "stopped" in page.locator("[data-side=a] .foot small").text_content()
        assert page.locator("#compare-stop").is_disabled()
        gate.open.set()


def test_a_stream_that_ends_in_the_middle_is_no_whole_answer(browser: Any) -> None:
    llm, gate = gated_chat(free=0)
    gate.open.set()
    with api_server(llm) as server, watched(browser, server.url) as pages:
        page = pages.open()
        begun = 'data: {"choices": [{"index": 0, "delta": {"content": "Once"}, "finish_reason": null}]}\n\n'
        page.route("**/completions", lambda route: route.fulfill(content_type="text/event-stream", body=begun))
        page.fill("#message", "Tell a story.")
        page.keyboard.press("Enter")
        page.wait_for_selector("#messages .answer .error")
        assert "in the middle" in page.locator("#messages .answer .error").text_content()
        assert text_of(page) == "Once"


def test_the_settings_of_the_page_hold_where_the_model_has_its_own(browser: Any) -> None:
    llm, gate = gated_chat(free=0)
    gate.open.set()
    llm.engine.loaded.model.generation_config.repetition_penalty = 1.9
    plain = llm.invoke("Tell a story.", temperature=0, max_new_tokens=24, repetition_penalty=1.0).text
    assert plain != llm.invoke("Tell a story.", temperature=0, max_new_tokens=24).text
    with api_server(llm) as server, watched(browser, server.url) as pages:
        page = ask(pages, max_tokens="24")
        page.locator("#messages .foot small").wait_for()
        assert text_of(page) == plain
        page.click("#python")
        assert "repetition_penalty=1," in page.locator("#export-code").text_content()
