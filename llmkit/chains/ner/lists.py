"""Names in lists: `Last, First` on lines, and items of a list, which are of one kind.

`Holm, Maria` is one name where several lines have this form, a header is above it, or the surname is in capitals. Where
the model is in doubt what an item of a list such as `Present: Holm, Berg, Lee.` is, all items decide together. A line
or a cell, as in a signature, need not be of the same kind as those beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np
import regex

from llmkit.chains.calibration import Matrix
from llmkit.text.segmentation import Span

IMPROBABLE = 20.0
"""Nats that the parts of one name lose."""
ITEM_PRIOR = -1.0
"""The log-odds that an item of a list is an entity of a label, before anything is known of it: those of each item have
it, and it counts once for all. Set by hand."""
LEAST_ODDS = 0.1
"""An item of a list, or a cell, of lower odds to be an entity at all is none, whatever else tells."""

_LINE = regex.compile(r"[^\n\r]+")
_CELL = regex.compile(r"[^\n\r\t|¦•·]+")
_WORD = r"(?: (?: \p{Lu}\. )++ | \p{Lu}[\p{L}\p{M}'’-]*+ )"
_SURNAME = (
    rf"(?: (?: \p{{Ll}}{{1,3}} [ ] ){{0,3}} {_WORD} | \p{{Lu}}[\p{{Lu}}'’-]++ (?: [ ] \p{{Lu}}[\p{{Lu}}'’-]++ )+ )"
)
_LAST_FIRST = regex.compile(
    rf"""(?: \s | [-*•–] \s | \d+ [.)] \s )*+ (?P<name> (?P<last> {_SURNAME} ) , [ ]
    (?P<first> {_WORD} (?: [ ] {_WORD} ){{0,2}} ) ) (?: \s* \( [^()]* \) )? [\s.]* \Z""",
    regex.VERBOSE,
)
_HEADER = regex.compile(r"[\p{L}\s]{1,40}:\s*\Z")
_ITEM = rf"(?: {_WORD} (?: [ ] {_WORD} ){{0,3}} )"
_LIST = regex.compile(
    rf"""(?P<header> [^:,\n]{{1,40}} : \s+ )? (?P<item> {_ITEM} ) (?: [,;] [ ] (?P<item> {_ITEM} ) )*+
    (?: ,? [ ] (?: and|und|et|y|e|en|& ) [ ] (?P<item> {_ITEM} ) )? \.? \s* \Z""",
    regex.VERBOSE,
)


def inverted_names(text: str) -> Iterator[tuple[Span, Span]]:
    """Yield each name that is written `Last, First`, with its first name, where there is evidence that it is one."""
    lines = [Span(*line.span()) for line in _LINE.finditer(text)]
    found = [[_LAST_FIRST.match(text, *part) for part in _parts(text, line)] for line in lines]
    has_form = [all(row) for row in found]
    place = 0
    for is_list, group in groupby(has_form):
        size = len(list(group))
        names = [match for row in found[place : place + size] for match in row if match] if is_list else []
        has_header = place > 0 and bool(_HEADER.fullmatch(lines[place - 1].of(text)))
        for match in names:
            if len(names) > 1 or has_header or (match["last"].isupper() and not match["first"].isupper()):
                yield Span(*match.span("name")), Span(*match.span("first"))
        place += size


def _parts(text: str, line: Span) -> list[tuple[int, int]]:
    """Return what semicolons divide: `Holm, Maria; Berg, Karl`."""
    borders = [sign.start() for sign in regex.finditer(";", text[line.start : line.end].rstrip("; "))]
    starts = [line.start, *(line.start + border + 1 for border in borders)]
    return list(zip(starts, [*(start - 1 for start in starts[1:]), line.end], strict=True))


def lists_of_names(text: str) -> Iterator[list[Span]]:
    """Yield the items of each line that is a list: with a header at least two, or else three."""
    for line in _LINE.finditer(text):
        match = _LIST.match(text, *line.span())
        if match:
            items = [Span(*span) for span in sorted(match.spans("item"))]
            if len(items) >= (2 if match["header"] else 3):
                yield items


def join_inverted_names(text: str, spans: Sequence[Span], scores: Matrix, person: int) -> Matrix:
    """Return the scores with those of the parts of `Last, First` made improbable, where the first name is a person.

    The whole name has at least the first name's score as a person. [spans, labels]
    """
    places = {(span.start, span.end): place for place, span in enumerate(spans)}
    joined = scores.copy()
    for name, first in inverted_names(text):
        whole, part = places.get((name.start, name.end)), places.get((first.start, first.end))
        if whole is None or part is None or scores[part].argmax() != person:
            continue
        joined[_overlapping(spans, name)] -= IMPROBABLE
        joined[whole] = scores[whole]
        joined[whole, person] = max(scores[whole, person], scores[part, person])
    return joined


def decide_lists_together(text: str, spans: Sequence[Span], scores: Matrix, no_entity: float) -> Matrix:
    """Return the scores with those of doubtful items of a list replaced by the sum over the list's items.

    Each item is evidence of what the list names, and the log-odds of independent evidence add up, but for the prior
    that each of them has. An item is doubtful
    if it may be an entity, but no label is likelier than all else. [spans, labels]
    """
    places = {(span.start, span.end): place for place, span in enumerate(spans)}
    decided = scores.copy()
    for items in lists_of_names(text):
        rows = [place for item in items if (place := places.get((item.start, item.end))) is not None]
        if len(rows) == len(items):
            prior = no_entity + ITEM_PRIOR
            together = (scores[rows] - prior).sum(axis=0) + prior
            for row in rows:
                if _is_doubtful(scores[row], no_entity):
                    decided[row] = together
    return decided


def doubtful_cells(text: str, spans: Sequence[Span], scores: Matrix, no_entity: float) -> list[int]:
    """Return the places of doubtful spans that are a line or a cell of several: in a signature, an address, a table."""
    cells = [cell.span() for cell in _CELL.finditer(text) if cell.group().strip()]
    if len(cells) < 2:
        return []
    trimmed = [text[start:end].strip(" \u00a0,.;-*") for start, end in cells]
    whole = {
        (at := text.index(name, start), at + len(name)) for name, (start, _) in zip(trimmed, cells, strict=True) if name
    }
    return [
        place
        for place, (span, row) in enumerate(zip(spans, scores, strict=True))
        if (span.start, span.end) in whole and _is_doubtful(row, no_entity)
    ]


def _is_doubtful(row: Matrix, no_entity: float) -> bool:
    odds = np.exp(row - no_entity)
    return bool(odds.sum() > LEAST_ODDS and odds.max() < 1 + odds.sum() - odds.max())


def _overlapping(spans: Iterable[Span], name: Span) -> list[int]:
    return [place for place, span in enumerate(spans) if span.start < name.end and name.start < span.end]
