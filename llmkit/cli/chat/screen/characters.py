"""What a terminal can be given: text that it can only show, never obey, and signs that it has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TextIO

from llmkit.cli.console import shows_unicode

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str, encoding: str = "utf-8") -> str:
    r"""Write control characters as `^[` or `<9b>`, and what the encoding lacks as `\xe9`; ends of lines and tabs stay.

    A model or a file can hold sequences that move the cursor, name the window or type for the person.
    """
    return written(_CONTROL.sub(_visible, text), encoding)


def written(text: str, encoding: str) -> str:
    r"""Write what the encoding lacks as `\xe9`, and leave all else as it is."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"^{chr(code ^ 64)}" if code < 128 else f"<{code:02x}>"


@dataclass(frozen=True)
class Symbols:
    """The few signs that are no letters, of one cell each, but for `more`."""

    bullet: str
    line: str
    bar: str
    full: str
    empty: str
    more: str
    dot: str
    quotes: str

    def fitting(self, text: str) -> str:
        """Give a text of this program without signs that may not be shown."""
        return text.replace("…", self.more).replace("“", self.quotes[0]).replace("”", self.quotes[-1])


UNICODE = Symbols(bullet="•", line="─", bar="│", full="█", empty="░", more="…", dot="·", quotes="“”")
ASCII = Symbols(bullet="-", line="-", bar="|", full="#", empty=".", more="...", dot="-", quotes='"')


def symbols_for(stream: TextIO) -> Symbols:
    """Choose what a stream can show."""
    return UNICODE if shows_unicode(stream) else ASCII
