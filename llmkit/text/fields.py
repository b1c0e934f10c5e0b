"""Fields of records: cells of a table, values of a CSV, INI or JSON file, attributes of a log line."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

import regex

from llmkit.text.segmentation import Span

_BAR = r"[\t|¦\u2500-\u257f]"
_NAME_BORDER = regex.compile(
    rf"{_BAR} | [,;:=<>{{}}\[\]`] (?= \S | \Z ) | \A (?= [^\n\r]*+ \Z ) [^\n\r]*? [^\S\n\r]{{2}}", regex.VERBOSE
)
_VALUE_BORDER = rf"{_BAR} | [,;] (?= \S | \Z ) | : [\"'\[{{(] | > \s* < | </"
_ANSWER_BORDER = regex.compile(_VALUE_BORDER, regex.VERBOSE)
_ANSWER_BORDER_OF_PAIRS = regex.compile(rf"{_VALUE_BORDER} | = (?= \S | \Z )", regex.VERBOSE)
_KEY = regex.compile(r"(?<![\w-])[\w.]++=(?=\S)")
_QUOTED = regex.compile(
    r"""(?V1)
      (?<= ^ | [,;\t|:=\[\{(] | ["\d] [,;:] \s )
      " (?P<field> (?: [^"\\\n\r] | "" | \\. )*+ ) "
      (?= (?P<after> [\t|:=\]\})] | [,;] (?= \S | \Z | \s*+ ["\n\r] ) )? (?(after) | (?: \s | \Z ) ) )
    """,
    regex.VERBOSE | regex.MULTILINE,
)
"""A value in quotation marks, as in CSV (RFC 4180: a mark in it is doubled), JSON and logs."""


def ends_name(between: str) -> bool:
    """Return whether what is between two words ends a name.

    So do a tab, a bar, two spaces, and other signs without a space after them, as in `Maria Holm,Berlin`.
    """
    return bool(_NAME_BORDER.search(between))


def quoted_fields(text: str) -> list[Span]:
    """Return what is between the quotation marks of fields: `Holm, Maria` in `1,"Holm, Maria",Berlin`.

    A quotation that is no field, for it has no separator on either side, is left out.
    """
    return [
        Span(*match.span("field"))
        for match in _QUOTED.finditer(text)
        if match["after"] or text[max(0, match.start() - 1) : match.start()] not in ("", "\n", "\r")
    ]


def number_quoted_fields(text: str, found: Sequence[Span]) -> list[int]:
    """Return the number of the quoted field that each word is in; -1 for a word that is in none."""
    fields = quoted_fields(text)
    starts = [field.start for field in fields]
    places = (bisect_right(starts, word.start) - 1 for word in found)
    return [
        place if place >= 0 and word.end <= fields[place].end else -1 for place, word in zip(places, found, strict=True)
    ]


def ends_parameter(text: str, left: Span, right: Span) -> bool:
    """Return whether the second of two words is the key of the next parameter: `city` in `name=Lee&city=Berlin`."""
    return text[left.end : right.start] == "&" and text.startswith("=", right.end)


def number_answer_fields(text: str, found: Sequence[Span]) -> list[int]:
    """Return the number of the field that each word is in: an answer is within one.

    The border is a tab, a bar, a comma or semicolon without a space after it, or a tag; and `=` and the `&` between
    parameters in a text that has several `key=value`. An option (`--file=a.txt`), an equation, and code stay in one
    field, and so does all that is between the quotation marks of a field.
    """
    border = _ANSWER_BORDER_OF_PAIRS if len(_KEY.findall(text)) > 1 else _ANSWER_BORDER
    numbers = [0] * bool(found)
    quoted = number_quoted_fields(text, found)
    for (left, field), (right, other) in pairwise(zip(found, quoted, strict=True)):
        is_inside = field == other >= 0
        is_border = border.search(text, left.end, right.start) or ends_parameter(text, left, right)
        numbers.append(numbers[-1] + (not is_inside and bool(is_border)))
    return numbers
