"""The text of a page, as paragraphs with a blank line between them, its title and its language."""

from __future__ import annotations

import re
from collections.abc import Callable

from bs4 import BeautifulSoup

from llmkit.web.blocks import Block, join, read_blocks
from llmkit.web.controls import resolve_controls
from llmkit.web.parsing import parse_visible
from llmkit.web.selection import main_blocks
from llmkit.web.tables import name_table_parts
from llmkit.web.visible import remove_invisible_characters

MIN_CHARACTERS = 250
"""A shorter main text is a heading, a caption or a notice: all visible text is taken instead."""
_XML = re.compile(r"\A\s*<\?xml[^>]*>")
_LANGUAGE = re.compile(r"[a-z]{2,8}(?:[-_][a-z0-9]{1,8})*", re.IGNORECASE)


def read_plain(text: str) -> str:
    """Return plain text without invisible characters and with at most one blank line in a row."""
    lines = [remove_invisible_characters(line).rstrip() for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def read_html(html: str, check_time: Callable[[], None]) -> tuple[str, str, str]:
    """Return the main text, the title and the language of a page.

    `check_time` is called often, and may raise an error that ends the reading.
    """
    soup = parse_visible(_XML.sub("", html, count=1) + "\n", check_time)
    title, language = _title(soup), _language(soup)
    for step in (resolve_controls, name_table_parts):
        step(soup)
        check_time()
    blocks = read_blocks(soup, language, check_time)
    check_time()
    return _main_text(soup, blocks), title, language


def _title(soup: BeautifulSoup) -> str:
    element = soup.title or soup.find("h1")
    return " ".join(remove_invisible_characters(element.get_text(" ")).split()) if element else ""


def _language(soup: BeautifulSoup) -> str:
    root = soup.find("html")
    declared = [str(root.get(name, "")).strip() for name in ("lang", "xml:lang")] if root else []
    return next(filter(_LANGUAGE.fullmatch, declared), "")


def _main_text(soup: BeautifulSoup, blocks: list[Block]) -> str:
    """Return the blocks that trafilatura finds to be the main text, else all that are not beside the text."""
    kept = main_blocks(soup, blocks)
    main = join((block, number in kept) for number, block in enumerate(blocks))
    if len(main) >= MIN_CHARACTERS:
        return main
    return max(join((block, not block.is_beside) for block in blocks), main, key=len)
