"""Links to a place in a page: `#:~:text=`, as the specification of text fragments (WICG) has it."""

from __future__ import annotations

from urllib.parse import quote as percent_encode

_LONGEST = 300
"""Characters of a quote that is given whole; of a longer one, its first and last words are."""
_EDGE, _CONTEXT = 60, 30
_MARK = ":~:"


def text_fragment(url: str, quote: str, before: str = "", after: str = "") -> str:
    """Give a link that opens the page at a quote, and marks it.

    Args:
        url: the page; a fragment of its own is kept, a text fragment replaced.
        quote: what stands in the page; it should begin and end with whole words.
        before: the text before the quote: its last words tell one place from another with the same words.
        after: the text after it.
    """
    lines = [" ".join(line.split()) for line in quote.splitlines()]
    lines = [line for line in lines if line]
    if not lines:
        return url
    page, _, fragment = url.partition("#")
    parts = [_encode(part) for part in _span(lines)]
    # A match lies in one paragraph, and so does each part of its surroundings.
    if prefix := _last_words(_edge_line(before, -1), _CONTEXT):
        parts.insert(0, f"{_encode(prefix)}-")
    if suffix := _first_words(_edge_line(after, 0), _CONTEXT):
        parts.append(f"-{_encode(suffix)}")
    return f"{page}#{fragment.partition(_MARK)[0]}{_MARK}text={','.join(parts)}"


def _span(lines: list[str]) -> list[str]:
    """A quote of one paragraph whole; else its first words and its last."""
    if len(lines) == 1 and len(lines[0]) <= _LONGEST:
        return lines
    return [_first_words(lines[0], _EDGE), _last_words(lines[-1], _EDGE)]


def _edge_line(text: str, at: int) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return " ".join(lines[at].split()) if lines else ""


def _first_words(line: str, limit: int) -> str:
    """The whole words within so many characters; characters, in a script that sets no spaces."""
    if len(line) <= limit:
        return line
    return line[: limit + 1].rpartition(" ")[0] or line[:limit]


def _last_words(line: str, limit: int) -> str:
    if len(line) <= limit:
        return line
    return line[-limit - 1 :].partition(" ")[2] or line[-limit:]


def _encode(text: str) -> str:
    """Percent-encode all but letters and digits: a dash, a comma and an ampersand have a meaning of their own."""
    return percent_encode(text, safe="", errors="replace").replace("-", "%2D")
