"""The page of `llmkit serve` in a real browser."""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from llmkit.chains import ZeroShotClassificationChain
from tests.support.api_server import ApiServer, api_server
from tests.support.browser import WatchedPages, running_browser, watched

if TYPE_CHECKING:
    from llmkit import HuggingFaceChat

pytestmark = pytest.mark.slow

TEXT = (
    "The lighthouse 😀 on Skerry Point was built in 1821 by Thomas Smith, an engineer from Edinburgh.\n\n"
    "The first keeper 🧑🏽‍🚀 was John Reid. He lived there with his wife Margaret."
)
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script><b>bold</b> javascript:alert(3) </textarea>\'"'
MARKS = """marks => marks.map(mark => {
    const range = document.createRange();
    range.setStart(mark.closest('.source'), 0);
    range.setEndBefore(mark);
    const start = range.toString().length;
    return [mark.className, start, start + mark.textContent.length];
})"""
"""The class of each mark, and its place in UTF-16 units of the whole text."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def pages(browser: Any, server: ApiServer) -> Iterator[WatchedPages]:
    with watched(browser, server.url) as pages:
        yield pages


@pytest.fixture(scope="module")
def default_server(default_llm: "HuggingFaceChat") -> Iterator[ApiServer]:
    with api_server(default_llm) as server:
        yield server


def fragment(view: str, **values: str) -> str:
    return "#" + urlencode({"view": view, **{name.replace("__", "."): value for name, value in values.items()}})


def said(url: str) -> list[list[str]]:
    """Return the conversation that an address holds."""
    return list(json.loads(parse_qs(urlsplit(url).fragment).get("messages", ['[["", ""]]'])[0]))


def ask(page: Any, message: str) -> str:
    """Send a message, and return the whole answer."""
    page.fill("#message", message)
    page.keyboard.press("Enter")
    return answer_text(page)


def answer_text(page: Any) -> str:
    answer = page.locator("#messages .answer").last
    answer.locator(".foot small").first.wait_for()
    return str(answer.locator(".text").text_content()).removesuffix("■")


def test_a_slider_changes_the_answer_and_the_address(pages: WatchedPages) -> None:
    page = pages.open(fragment("chat", temperature="0"))
    long = ask(page, "What is the capital of France?")
    settings = page.locator("#chat")
    slider = settings.get_by_label("max_tokens, slider")
    slider.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert settings.get_by_label("max_tokens", exact=True).input_value() == "2"
    page.click("#chat-again")
    short = answer_text(page)
    assert long.startswith(short)
    assert len(short) < len(long)
    assert "2 tokens" in page.locator("#messages .foot").text_content()
    page.wait_for_url(lambda url: "max_tokens=2" in url and said(url)[-1] == ["a", short])
    page.reload()
    page.wait_for_selector("#messages .answer")
    assert settings.get_by_label("max_tokens", exact=True).input_value() == "2"
    assert page.locator("#messages .answer .text").text_content() == short


def test_an_answer_goes_on_from_another_token(
    browser: Any, default_server: ApiServer, default_llm: "HuggingFaceChat"
) -> None:
    question = "What is the capital of France?"
    with watched(browser, default_server.url) as pages:
        page = pages.open(fragment("chat", temperature="0", probabilities="1", max_tokens="12"))
        whole, begun, answer = go_on_from_second_token(page, question)
    more = default_llm.invoke([("user", question), ("assistant", begun)], max_new_tokens=12).text
    assert answer == begun + more != whole


def go_on_from_second_token(page: Any, question: str) -> tuple[str, str, str]:
    """Return an answer, the beginning that is chosen in its place, and the answer that goes on from that."""
    whole = ask(page, question)
    tokens = page.locator("#messages .text .token")
    assert "".join(tokens.all_text_contents()).removesuffix("■") == whole
    page.locator("#messages .token").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    first = tokens.nth(0).text_content()
    chosen = page.evaluate("document.activeElement.querySelector('.name').textContent").removesuffix(" ")
    page.keyboard.press("Enter")
    page.wait_for_selector("#messages .answer:not([aria-busy]) .colored")
    begun = first + chosen.replace("␣", " ").replace("⏎", "\n")
    return whole, begun, answer_text(page)


def test_quotes_and_names_are_marked_where_they_stand(browser: Any, default_server: ApiServer) -> None:
    values = {"read.text": TEXT, "read.questions": "Who was the first keeper?", "read.names": "person, place"}
    with watched(browser, default_server.url) as pages:
        page = pages.open("#" + urlencode({"view": "read", **values}))
        with page.expect_response("**/ask") as asked, page.expect_response("**/entities") as named:
            page.click("#read-form .main")
        page.wait_for_selector("#answers:not([aria-busy]) .names")
        assert page.locator("#read-source").text_content() == TEXT
        found = page.locator("#read-source mark").evaluate_all(MARKS)
        quotes, entities = asked.value.json()["citations"], named.value.json()["entities"]
    assert [TEXT[one["start"] : one["end"]] for one in quotes] == [one["quote"] for one in quotes] != []
    assert [TEXT[one["start"] : one["end"]] for one in entities] == [one["text"] for one in entities] != []
    assert covered(found, "quote") == characters((one["start"], one["end"]) for one in quotes)
    assert covered(found, "answer") == characters((one["answer_start"], one["answer_end"]) for one in quotes)
    assert covered(found, "name") == characters((one["start"], one["end"]) for one in entities)


def characters(spans: Iterable[tuple[int, int]]) -> list[int]:
    """Return the characters that are in a span."""
    return sorted({place for span in spans for place in range(*span)})


def covered(marks: list[tuple[str, int, int]], kind: str) -> list[int]:
    """Return the characters of the text that marks of a kind cover."""
    units = TEXT.encode("utf-16-le")

    def character(unit: int) -> int:
        return len(units[: 2 * unit].decode("utf-16-le"))

    return characters((character(start), character(end)) for classes, start, end in marks if kind in classes.split())


def test_two_answers_side_by_side(pages: WatchedPages, server: ApiServer) -> None:
    settings = {"a.temperature": "0", "b.temperature": "0", "a.max_tokens": "6", "b.max_tokens": "3"}
    page = pages.open("#" + urlencode({"view": "compare", "compare.message": "Name a color.", **settings}))
    page.click("#compare-form .main")
    for side, tokens in (("a", 6), ("b", 3)):
        answer = page.locator(f"[data-side={side}] .answer")
        answer.locator(".foot small").wait_for()
        expected = server.llm.invoke("Name a color.", max_new_tokens=tokens, temperature=0).text
        assert answer.locator(".text").text_content() == expected


def test_the_budget_follows_the_typing(pages: WatchedPages) -> None:
    examples = [{"input": "It was fine.", "output": "good"}, {"input": "Never again. " * 30, "output": "bad"}]
    values = {"prompt.examples": json.dumps(examples), "prompt.context_window": "300"}
    page = pages.open("#" + urlencode({"view": "prompt", **values}))
    page.locator("#prompt-text").press_sequentially("What an ending!")
    page.wait_for_selector("#budget table")
    rows = dict(
        page.locator("#budget tbody tr").evaluate_all(
            "rows => rows.map(row => [0, 1].map(cell => row.cells[cell].textContent))"
        )
    )
    assert sum(map(int, rows.values())) == 300
    assert rows["reserved for the completion"] == "64"
    assert "example 1: It was fine." in rows
    left_out = page.locator("#budget .left-out").text_content()
    assert "example 2: Never again." in left_out
    assert "does not fit" in left_out
    page.fill("#reserved", "299")
    page.wait_for_selector("#budget .error")
    assert "300" in page.locator("#budget .error").text_content()


def test_labels_have_bars_before_and_after_calibration(pages: WatchedPages, server: ApiServer) -> None:
    labels, text = ["sports", "politics"], "The match ended 3 to 2."
    values = {"classify.labels": ", ".join(labels), "classify.text": text}
    page = pages.open("#" + urlencode({"view": "classify", **values}))
    page.click("#classify-form .main")
    page.wait_for_selector("#classify-result table")
    results = {
        kind: ZeroShotClassificationChain(server.llm, labels, contextual_calibration=kind == "after").invoke(text)
        for kind in ("before", "after")
    }
    assert page.locator("#classify-result h2").text_content() == results["after"].label
    ranked = sorted(labels, key=lambda label: -results["after"].scores[label])
    assert page.locator("#classify-result tbody th").all_text_contents() == ranked
    for kind, result in results.items():
        widths = page.locator(f"#classify-result .bar.{kind}").evaluate_all(
            "bars => bars.map(bar => bar.clientWidth / bar.parentElement.clientWidth)"
        )
        assert widths == pytest.approx([result.scores[label] for label in ranked], abs=0.1)


def test_text_does_nothing(pages: WatchedPages) -> None:
    page = pages.open(fragment("chat", temperature="0", max_tokens="4", system=HOSTILE))
    ask(page, HOSTILE)
    assert page.locator("#messages .user .text").text_content() == HOSTILE
    values = {"read.text": f"{HOSTILE} The lift is repaired on Thursday.", "read.questions": f"When? {HOSTILE}"}
    page = pages.open("#" + urlencode({"view": "read", **values, "read.names": HOSTILE}))
    page.click("#read-form .main")
    page.wait_for_selector("#answers .card")
    page.wait_for_selector("#answers:not([aria-busy])")
    assert page.locator("#read-source").text_content() == values["read.text"]
    assert page.locator("img, script:not([src='/page/main.js']), b, main a").count() == 0


def test_a_page_of_this_machine_is_not_read(browser: Any, server: ApiServer) -> None:
    pages = WatchedPages(browser, server.url)
    page = pages.open("#" + urlencode({"view": "read", "read.address": f"{server.url}/v1/models"}))
    page.click("#fetch")
    page.wait_for_selector("#answers .error")
    assert "127.0.0.1" in page.locator("#answers .error").text_content()
    assert page.locator("#read-text").input_value() == ""
    pages.close()
    assert all("400" in fault for fault in pages.faults)  # the refusal, which the browser's console has
