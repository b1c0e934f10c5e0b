r"""Control characters in text that others wrote: shown, never sent to a terminal.

A page, a file name or a model's answer can contain sequences that write the clipboard, name the window, clear the
screen, overwrite a line or reverse its order. Every text that commands write to standard output or standard error goes
through `show_controls`, and all JSON through `to_json`.

The characters are C0 and C1 (ECMA-48), DEL, and the bidirectional embeddings, overrides and isolates of Unicode
(UAX #9), which the Trojan Source attacks use (CVE-2021-42574); `less` shows the same ones. Line ends and tabs stay.
"""

from __future__ import annotations

import json
import re
from typing import Any

BIDIRECTIONAL = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Embeddings, overrides and isolates."""
_CONTROL = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{BIDIRECTIONAL}]")
_JSON_ESCAPED = re.compile(rf"[\x7f-\x9f\u2028\u2029{BIDIRECTIONAL}\ud800-\udfff]")  # json.dumps escapes C0


def show_controls(text: str, encoding: str | None = "utf-8") -> str:
    r"""Write control characters as `^[` or `<9b>`, and what the encoding lacks as `\xe9`; line ends and tabs stay."""
    text = _CONTROL.sub(_shown, text.replace("\r\n", "\n"))
    return text if text.isascii() else text.encode(encoding or "utf-8", "backslashreplace").decode(encoding or "utf-8")


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"^{chr(code ^ 64)}" if code < 128 else f"<{code:02x}>"


def to_json(value: Any, *, indent: int | None = None, encoding: str | None = "utf-8") -> str:
    r"""Return JSON that has control characters as `\u009b`, so that nothing is lost; in ASCII unless it is for UTF-8.

    Line and paragraph separators are escaped too: some readers of JSON Lines take them for line ends.
    """
    is_utf8 = (encoding or "ascii").lower().replace("-", "") == "utf8"
    text = json.dumps(value, indent=indent, ensure_ascii=not is_utf8)
    return _JSON_ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
