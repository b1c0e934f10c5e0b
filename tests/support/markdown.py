"""Markdown as the chat shows it, without a terminal."""

import io

from rich.console import Console
from rich.text import Text

from llmkit.cli.chat.screen.characters import UNICODE, Symbols
from llmkit.cli.chat.screen.markdown import Page, Stream

CONSOLE = Console(file=io.StringIO())


def page(width: int = 40, symbols: Symbols = UNICODE) -> Page:
    return Page(CONSOLE, symbols, width)


def whole(text: str, width: int = 40, symbols: Symbols = UNICODE) -> list[Text]:
    stream = Stream()
    stream.add(text)
    return stream.rest(page(width, symbols))


def shown(text: str, width: int = 40, symbols: Symbols = UNICODE) -> list[str]:
    return [row.plain.rstrip() for row in whole(text, width, symbols)]
