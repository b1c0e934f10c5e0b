"""The few signs that are no letters, for terminals that show them and for those that do not."""

from __future__ import annotations

import locale
import os
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True)
class Symbols:
    """Signs of one cell each, but for `more`."""

    bullet: str
    line: str
    bar: str
    full: str
    empty: str
    more: str
    dot: str

    def fitting(self, text: str) -> str:
        """Give a text of this program without signs that may not be shown."""
        return text.replace("…", self.more)


UNICODE = Symbols(bullet="•", line="─", bar="│", full="█", empty="░", more="…", dot="·")
ASCII = Symbols(bullet="-", line="-", bar="|", full="#", empty=".", more="...", dot="-")


def symbols_for(stream: TextIO) -> Symbols:
    """Choose what a stream can show: Python writes UTF-8 under `LC_ALL=C` too, where the terminal may not read it."""
    written = (stream.encoding or "ascii").lower().replace("-", "")
    read = locale.getencoding().lower().replace("-", "") if os.name == "posix" else written
    return UNICODE if written == read == "utf8" else ASCII
