"""Text that a terminal can only show, never obey."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str, encoding: str = "utf-8") -> str:
    r"""Write control characters as `^[` or `<9b>`, and what the encoding lacks as `\xe9`; ends of lines and tabs stay.

    A model or a file can hold sequences that move the cursor, name the window or type for the person.
    """
    shown = _CONTROL.sub(_visible, text)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"^{chr(code ^ 64)}" if code < 128 else f"<{code:02x}>"
