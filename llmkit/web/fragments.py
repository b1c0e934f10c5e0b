"""Links to a quote in a page: `#:~:text=`, by the specification of text fragments (WICG)."""

from __future__ import annotations

import re
from urllib.parse import quote as percent_encode

_MAX_WHOLE = 300
"""Characters of a quote that is in the link as a whole; of a longer one, its first and last words are."""
_MAX_EDGE, _MAX_CONTEXT = 60, 30
_DIRECTIVE = ":~:"
_WRITTEN = re.compile(r"\s\|(?=\s|$)|^\|\s|(?<!\S)\S*(?:\^|\[\w{1,3}(?:,\s?\w{1,3})*\]|[⁺⁻⁼₊₋₌])\S*")
"""What `read` writes in its way: the ends of cells, exponents, the marks of footnotes. The page has it otherwise."""
_SCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")
"""Digits above and below the line: to a search they are digits (level 1 of the Unicode collation)."""


def text_fragment(url: str, quote: str, before: str = "", after: str = "") -> str:
    """Return a link that opens the page at a quote, and highlights it.

    Args:
        url: the page; its fragment is kept, a text fragment replaced.
        quote: a text of the page; it should begin and end with whole words.
        before: the text before the quote: its last words distinguish it from other places with the same words.
        after: the text after it.
    """
    lines = _lines(quote)
    if not lines:
        return url
    page, _, fragment = url.partition("#")
    parts = [_encode(part) for part in _span(lines)]
    # A match is within one paragraph, and so is its context.
    if prefix := "".join(_lines(before)[-1:]):
        prefix = _literal_parts(prefix)[-1]
    if prefix:
        parts.insert(0, f"{_encode(_last_words(prefix, _MAX_CONTEXT))}-")
    if suffix := "".join(_lines(after)[:1]):
        suffix = _literal_parts(suffix)[0]
    if suffix:
        parts.append(f"-{_encode(_first_words(suffix, _MAX_CONTEXT))}")
    return f"{page}#{fragment.partition(_DIRECTIVE)[0]}{_DIRECTIVE}text={','.join(parts)}"


def _span(lines: list[str]) -> list[str]:
    """Return a short quote of one paragraph as a whole; else its first words and its last."""
    lines = [part for line in lines for part in _literal_parts(line) if part] or lines
    if len(lines) == 1 and len(lines[0]) <= _MAX_WHOLE:
        return lines
    return [_first_words(lines[0], _MAX_EDGE), _last_words(lines[-1], _MAX_EDGE)]


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def _literal_parts(line: str) -> list[str]:
    """Return the parts of a line that stand on the page as they are."""
    return [part.strip().translate(_SCRIPTS) for part in _WRITTEN.split(line)]


def _first_words(line: str, limit: int) -> str:
    """Return the whole words within so many characters; characters, in a script without spaces."""
    if len(line) <= limit:
        return line
    return line[: limit + 1].rpartition(" ")[0] or line[:limit]


def _last_words(line: str, limit: int) -> str:
    if len(line) <= limit:
        return line
    return line[-limit - 1 :].partition(" ")[2] or line[-limit:]


def _encode(text: str) -> str:
    """Percent-encode all but letters and digits: in a text fragment dashes, commas and ampersands are syntax."""
    return percent_encode(text, safe="", errors="replace").replace("-", "%2D")
