"""Which of a head's own labels are those that are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import regex

from llmkit.errors import InputError

_SHOWN = 12
_ALIASES: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "person persons people per",
        "organization organizations organisation organisations org",
        "location locations loc place places gpe",
        "miscellaneous misc other",
        "positive pos",
        "negative neg",
        "neutral neu",
        "true yes",
        "false no",
    )
)
"""Names that corpora and models use for the same label; GPE, a place with a government, is OntoNotes' for cities."""


def match_labels(labels: Sequence[tuple[str, str]], own: Sequence[str]) -> list[list[int]]:
    """Return the indices of a head's own labels for each label that is asked for, found by its name or its words.

    A label's words may name several of the head's labels, divided by commas. Case, `_`, `-` and spaces do not matter,
    and common abbreviations are known (`PER` is a person).

    Raises:
        InputError: a label is none of the head's; lists those.
    """
    keys = [_key(name) for name in own]
    found = [_find([name], keys) or _find(words.split(","), keys) for name, words in labels]
    if missing := [name for (name, _), places in zip(labels, found, strict=True) if not places]:
        shown = ", ".join(repr(name) for name in own[:_SHOWN]) + (" …" if len(own) > _SHOWN else "")
        raise InputError(
            f"the label {missing[0]!r} is none of this model's own labels: they are {shown}. Ask for these, or say "
            f"which one it is by descriptions={{{missing[0]!r}: {own[0]!r}}}"
        )
    for place in range(len(own)):
        if len(sharing := [labels[at][0] for at, places in enumerate(found) if place in places]) > 1:
            raise InputError(f"the labels {sharing[0]!r} and {sharing[1]!r} are the same to this model: {own[place]!r}")
    return found


def _find(names: Sequence[str], keys: Sequence[str]) -> list[int]:
    wanted = [_key(name) for name in names if _key(name)]
    exact = [place for place, key in enumerate(keys) if key in wanted]
    if exact and all(name in keys for name in wanted):
        return exact
    groups = [group for group in _ALIASES if not group.isdisjoint(wanted)]
    known = set(wanted).union(*groups)
    is_complete = all(name in keys or any(name in group for group in groups) for name in wanted)
    return [place for place, key in enumerate(keys) if key in known] if is_complete else []


def _key(name: str) -> str:
    return " ".join(regex.sub(r"[\s_-]+", " ", name).casefold().split())
