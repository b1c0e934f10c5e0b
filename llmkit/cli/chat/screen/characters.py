"""What a terminal can be given: text without control sequences, and signs that it has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TextIO

from llmkit.cli.console import shows_unicode

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str, encoding: str = "utf-8") -> str:
    r"""Write control characters as `^[` or `<9b>`, and what the encoding lacks as `\xe9`; line ends and tabs stay.

    A model or a file can contain sequences that move the cursor, name the window or type for the person.
    """
    return escape_unencodable(_CONTROL.sub(_visible, text), encoding)


def escape_unencodable(text: str, encoding: str) -> str:
    r"""Write what the encoding lacks as `\xe9`, and leave all else as it is."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"^{chr(code ^ 64)}" if code < 128 else f"<{code:02x}>"


@dataclass(frozen=True)
class Symbols:
    """Signs that are not letters; `full` and `empty` are the cells of a bar."""

    full: str
    empty: str
    ellipsis: str
    dot: str
    quotes: str

    def replace_in(self, text: str) -> str:
        """Replace the signs of one of this program's own texts that the terminal may lack."""
        return text.replace("…", self.ellipsis).replace("“", self.quotes[0]).replace("”", self.quotes[-1])


UNICODE = Symbols(full="█", empty="░", ellipsis="…", dot="·", quotes="“”")
ASCII = Symbols(full="#", empty=".", ellipsis="...", dot="-", quotes='"')


def symbols_for(stream: TextIO) -> Symbols:
    """Choose what a stream can show."""
    return UNICODE if shows_unicode(stream) else ASCII
