"""The page with a keyboard only, on a narrow screen, in both color schemes, and for a screen reader."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.api_server import NAME, api_server, tiny_chat
from tests.support.browser import WatchedPages, running_browser, watched

pytestmark = pytest.mark.slow

VIEWS = ("chat", "compare", "prompt", "classify", "read", "summarize")
CHECKS = (Path(__file__).parent / "page_checks.js").read_text(encoding="utf-8")
KEY = "a key, & of = some # signs"
FILLED = {
    "messages": '[["u","a question"],["a","an answer"]]',
    "prompt.text": "a text",
    "prompt.examples": '[{"input":"a text","output":"a label"}]',
    "probabilities": "1",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with api_server(tiny_chat(max_new_tokens=8), api_key=KEY) as server:
        yield server.url


@pytest.fixture
def pages(browser: Any, address: str) -> Iterator[WatchedPages]:
    with watched(browser, address) as pages:
        yield pages


def open_view(pages: WatchedPages, view: str, **options: Any) -> Any:
    return pages.open("#" + urlencode({"view": view, "key": KEY, **FILLED}), **options)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_and_fits_a_narrow_screen(pages: WatchedPages, scheme: str) -> None:
    page = open_view(pages, "chat", width=320, scheme=scheme)
    for view in VIEWS:
        page.click(f"nav a[href='#view={view}']")
        page.wait_for_selector(f"#{view}:not([hidden])")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, view
        page.locator("details").evaluate_all("all => all.forEach(details => (details.open = true))")
        assert page.evaluate(CHECKS) == {"pale": [], "nameless": []}, view


def test_tokens_and_alternatives_are_readable(pages: WatchedPages) -> None:
    for scheme in ("light", "dark"):
        page = open_view(pages, "chat", scheme=scheme)
        page.click("#chat-again")
        page.locator("#messages .text .token").first.press("Enter")
        page.wait_for_selector(".alternatives button")
        assert page.evaluate(CHECKS) == {"pale": [], "nameless": []}


def test_text_has_the_direction_of_its_language(pages: WatchedPages) -> None:
    page = pages.open("#" + urlencode({"view": "chat", "key": KEY, "messages": '[["u","مرحبا\\nHello"]]'}))
    left, right = page.locator("#messages .text").evaluate(
        """text => {
            const range = document.createRange();
            range.selectNodeContents(text);
            const lines = [...range.getClientRects()];
            const box = text.getBoundingClientRect();
            const lefts = lines.map(line => line.left - box.left), rights = lines.map(line => box.right - line.right);
            return [Math.min(...lefts), Math.min(...rights)];
        }"""
    )
    assert right == pytest.approx(0, abs=1)  # Arabic begins at the right
    assert 0 < left < 30  # English at the left, behind the bar


def test_all_is_reached_with_the_keyboard(pages: WatchedPages) -> None:
    page = open_view(pages, "classify")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skips to the content
    assert page.evaluate("document.activeElement.id") == "main"
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        if reached[-1] == "Classify":
            break
    assert reached == ["labels", "classify-text", "Classify"]
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.focus("#python")
    page.keyboard.press("Enter")
    assert page.locator("#export").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#export").is_visible()
    assert page.evaluate("document.activeElement.id") == "python"


def test_the_key_leaves_the_address_at_once(pages: WatchedPages) -> None:
    page = open_view(pages, "chat")
    assert "key" not in page.url
    assert page.evaluate("sessionStorage.length") == 1
    assert page.locator("#model").input_value() == NAME
    assert page.locator("#status").is_hidden()


def test_without_the_key_the_page_says_so(browser: Any, address: str) -> None:
    pages = WatchedPages(browser, address)
    page = pages.open(ready=False)
    page.wait_for_selector("#status:not([hidden])")
    assert "key" in page.locator("#status").text_content()
    page.keyboard.type(KEY)
    page.keyboard.press("Enter")
    page.wait_for_selector("#model option", state="attached")
    assert page.locator("#status").is_hidden()
    assert page.locator("#key-form").is_hidden()
    pages.close()
    assert all("401" in fault for fault in pages.faults)  # the refusal, which the browser's console has
