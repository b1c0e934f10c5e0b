"""An answer in Markdown, on its way."""

from __future__ import annotations

import re
from itertools import chain

from rich.text import Text

from llmkit.cli.chat.screen.markdown.blocks import Block, blocks
from llmkit.cli.chat.screen.markdown.layout import Page


class Stream:
    """Takes pieces, gives rows: those that are settled once, the others anew each time.

    However the text was cut, the settled rows of a stream are those of the whole text.
    """

    def __init__(self) -> None:
        self._open = ""  # what is not settled yet
        self._given = 0  # groups of the open text's first block that were given already
        self._begun = False

    def add(self, piece: str) -> None:
        """Take a piece."""
        self._open = re.sub(r"\r\n|\r(?!\Z)", "\n", self._open + piece)
        if not self._begun:
            self._open = re.sub(r"\A(?:[ \t]*\n)+", "", self._open)
            self._begun = bool(self._open.strip())

    def settled(self, page: Page) -> list[Text]:
        """Give the rows that have become final since the last time: of every block but the last."""
        complete = self._open[: self._open.rfind("\n") + 1]
        return self._give(blocks(complete)[:-1], page)

    def rest(self, page: Page) -> list[Text]:
        """Give all rows that are left; the text has ended."""
        return self._give(blocks(self._open), page)

    def unsettled(self, page: Page, height: int) -> tuple[list[Text], list[Text]]:
        """Give the rows that settle because there is no room for them, and those of the text that is still open.

        Lines of code settle one by one; of anything else that is higher than the screen the end is shown.
        """
        found = blocks(self._open)
        if not found:
            return [], []
        groups, *others = [page.groups(block) for block in found]
        later = [row for other in others for group in other for row in group]
        given: list[Text] = []
        while len(groups) - self._given > 1 and _height(groups[self._given :]) + len(later) > height:
            given += groups[self._given]
            self._given += 1
        rows = [*chain.from_iterable(groups[self._given :]), *later]
        return given, rows[-height:]

    def _give(self, found: list[Block], page: Page) -> list[Text]:
        rows: list[Text] = []
        for block in found:
            groups = page.groups(block)
            rows += chain.from_iterable(groups[self._given :])
            self._given = 0
            self._open = self._open[len(block.source) :]
        return rows


def _height(groups: list[list[Text]]) -> int:
    return sum(len(group) for group in groups)
