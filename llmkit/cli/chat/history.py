"""A conversation as a value, and the changes that lead from one to the next; its file contains these changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

VERSION = 1
_UNKNOWN = "this version of llmkit does not know such a change, or it does not fit here"
SHORT = 28  # characters of a message in a list

Change = Mapping[str, Any]
"""A JSON object; its `do` says which change it is (see `apply_change`)."""


@dataclass(frozen=True)
class Turn:
    """A message and its answer, which is empty while there is none.

    `finish_reason` is `stop`, `length` or `cancelled`, which is also that of an answer without an end. The model never
    sees the citations, and so cannot learn to write what looks like them.
    """

    message: str
    answer: str = ""
    finish_reason: str = "cancelled"
    citations: str = ""


class AttachedPage(NamedTuple):
    """A page of an attached text, such as one of a PDF: its span in the text, and its metadata."""

    start: int
    end: int
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Attachment:
    """A text that questions are answered from; `source` is its path or URL, and `pages` are those of a PDF."""

    text: str
    source: str
    title: str = ""
    pages: tuple[AttachedPage, ...] = ()


@dataclass(frozen=True)
class History:
    """All turns, and how many of the first ones the model no longer sees: `dropped`."""

    model: str = ""
    context_window: int = 0  # of the model, where one was given
    system: str = ""
    turns: tuple[Turn, ...] = ()
    dropped: int = 0
    attached: tuple[Attachment, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def without(self, source: str) -> tuple[Attachment, ...]:
        """Return what is attached from other sources."""
        return tuple(text for text in self.attached if text.source != source)


def apply_change(history: History, change: Change) -> History:
    """Return the conversation after a change.

    Raises:
        ValueError: it is not a change, or not one of this conversation.
    """
    match change:
        case {"do": "begin", "version": int(version)} if version <= VERSION:
            return history
        case {"do": "model", "name": str(name)}:
            window = change.get("context_window", 0)
            return replace(history, model=name, context_window=window if isinstance(window, int) else 0)
        case {"do": "system", "text": str(text)}:
            return replace(history, system=text)
        case {"do": "set", "name": str(name), "value": value}:  # None restores the default
            others = {key: old for key, old in history.settings.items() if key != name}
            return replace(history, settings=others if value is None else others | {name: value})
        case {"do": "say", "text": str(text)}:
            return replace(history, turns=(*history.turns, Turn(text)))
        case {"do": "attach", "text": str(text), "source": str(source), "title": str(title)}:
            attachment = Attachment(text, source, title, _parse_pages(change.get("pages", []), len(text)))
            return replace(history, attached=(*history.without(source), attachment))
        case {"do": "detach", "source": str(source)}:
            return replace(history, attached=history.without(source))
        case {"do": "detach"}:
            return replace(history, attached=())
        case {"do": "trim", "turns": int(count)} if 0 <= count <= len(history.turns):
            return replace(history, dropped=count)
    return _change_last(history, change)


def _parse_pages(pages: Any, length: int) -> tuple[AttachedPage, ...]:
    found = []
    for page in pages if isinstance(pages, list) else [pages]:
        match page:
            case {"start": int(start), "end": int(end), "metadata": dict(metadata)} if 0 <= start <= end <= length:
                found.append(AttachedPage(start, end, metadata))
            case _:
                raise ValueError(_UNKNOWN)
    return tuple(found)


def _change_last(history: History, change: Change) -> History:
    if not history.turns:
        raise ValueError(_UNKNOWN)
    *others, last = history.turns
    match change:
        case {"do": "piece", "text": str(text)}:
            last = replace(last, answer=last.answer + text)
        case {"do": "cite", "text": str(text)}:
            last = replace(last, citations=text)
        case {"do": "end", "finish_reason": str(reason)}:
            last = replace(last, finish_reason=reason)
        case {"do": "continue"}:
            last = replace(last, finish_reason="cancelled")
        case {"do": "retry"}:
            last = Turn(last.message)
        case {"do": "undo"}:
            return replace(history, turns=tuple(others), dropped=min(history.dropped, len(others)))
        case _:
            raise ValueError(_UNKNOWN)
    return replace(history, turns=(*others, last))


def shorten(text: str, length: int = SHORT) -> str:
    """Return the beginning of a text in one line, for a list."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def transcript(turns: Sequence[Turn]) -> str:
    """Return the turns as one text."""
    return "\n".join(f"You: {turn.message}\nModel: {turn.answer}".strip() for turn in turns)
