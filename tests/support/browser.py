"""A real browser without a window, and pages that fail their test if they ask another machine or report an error."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
WAIT = 300_000  # milliseconds: the model computes, on a machine that may be busy


def find_browser() -> str:
    """Return the program of the browser, or skip the tests that need one, with the reason."""
    pytest.importorskip(
        "playwright.sync_api", reason="there is no playwright to drive a browser: install the extra dev"
    )
    given = os.environ.get("LLMKIT_TEST_BROWSER")
    found = given or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium: scripts/install_browser installs Debian's, where it may")
    return found


@contextmanager
def running_browser() -> Iterator[Any]:
    program = find_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@contextmanager
def watched(browser: Any, address: str) -> Iterator[WatchedPages]:
    """Open pages of a server, and check in the end that they did nothing that they must not."""
    pages = WatchedPages(browser, address)
    yield pages
    pages.close()
    if pages.faults:
        raise AssertionError(f"the page did what it must not: {pages.faults}")


class WatchedPages:
    """Opens pages of one server, and writes down all that they must not do."""

    def __init__(self, browser: Any, address: str) -> None:
        self._browser, self.address = browser, address
        self.faults: list[str] = []

    def open(self, fragment: str = "", *, width: int = 1280, scheme: str = "light", ready: bool = True) -> Any:
        context = self._browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.set_default_timeout(WAIT)
        context.on("request", self._check_request)
        context.on("weberror", lambda error: self.faults.append(f"error: {error.error}"))
        context.on("dialog", self._close_dialog)
        context.on("console", self._check_message)
        page = context.new_page()
        page.goto(f"{self.address}/{fragment}")
        if ready:
            page.wait_for_selector("#model option", state="attached")
        return page

    def _check_request(self, request: Any) -> None:
        if not request.url.startswith(f"{self.address}/"):
            self.faults.append(f"request to {request.url}")

    def _close_dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _check_message(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type} in the console: {message.text}")

    def close(self) -> None:
        for context in self._browser.contexts:
            context.close()
