"""Fields of records: cells of a table, values of a CSV, INI or JSON file, attributes of a log line."""

from __future__ import annotations

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


def ends_name(between: str) -> bool:
    """Return whether what is between two words ends a name.

    So do a tab, a bar, two spaces, and other signs without a space after them, as in `Maria Holm,Berlin`.
    """
    return bool(_NAME_BORDER.search(between))


def number_answer_fields(text: str, found: Sequence[Span]) -> list[int]:
    """Return the number of the field that each word is in: an answer is within one.

    The border is a tab, a bar, a comma or semicolon without a space after it, or a tag; and `=` in a text that has
    several `key=value`. An option (`--file=a.txt`), an equation, and code stay in one field.
    """
    border = _ANSWER_BORDER_OF_PAIRS if len(_KEY.findall(text)) > 1 else _ANSWER_BORDER
    numbers = [0] * bool(found)
    for left, right in pairwise(found):
        numbers.append(numbers[-1] + bool(border.search(text, left.end, right.start)))
    return numbers
