"""A conversation as a value, and the changes that make one out of another: what is kept in a file is these changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

VERSION = 1
_UNKNOWN = "it is no change that this version of llmkit knows, or not one for here"
TRIMS = ("oldest", "summarize")
SHOWN = 28
"""Characters of a message that a list shows."""

Change = Mapping[str, Any]
"""A JSON object; its `do` says which change it is (see `applied`)."""


@dataclass(frozen=True)
class Turn:
    """A message and its answer.

    Attributes:
        prompt: the name of the prompt text that the message filled; without one it was said as it is.
        answer: empty where none has come.
        finish_reason: of the answer, `stop`, `length` or `cancelled`, which it is until its end has come.
        citations: what an answer out of a text stands on, as it is shown; the model never sees it, and so cannot
            learn to write what looks like it.
    """

    said: str
    prompt: str = ""
    answer: str = ""
    finish_reason: str = "cancelled"
    citations: str = ""


@dataclass(frozen=True)
class Attachment:
    """A text that questions are answered from; `source` is a path or a URL."""

    text: str
    source: str
    title: str = ""


@dataclass(frozen=True)
class History:
    """All that was said, and how much of it the model still sees.

    Attributes:
        model: the name of the model that it was last said to.
        system: an instruction that always stays.
        forgotten: so many of the first turns are no longer shown to the model.
        summary: of those, if there is one.
        prompt: the name of the prompt text that each further message fills.
        settings: those that were set in this conversation, by their names.
    """

    model: str = ""
    system: str = ""
    turns: tuple[Turn, ...] = ()
    forgotten: int = 0
    summary: str = ""
    attached: tuple[Attachment, ...] = ()
    prompt: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def applied(history: History, change: Change) -> History:
    """Give the conversation after a change.

    Raises:
        ValueError: it is no change, or none of this conversation.
    """
    match change:
        case {"do": "begin", "version": int(version)} if version <= VERSION:
            return history
        case {"do": "model", "name": str(name)}:
            return replace(history, model=name)
        case {"do": "system", "text": str(text)}:
            return replace(history, system=text)
        case {"do": "prompt", "name": str(name)}:
            return replace(history, prompt=name)
        case {"do": "set", "name": str(name), "value": value}:  # none puts it back to its default
            kept = {each: own for each, own in history.settings.items() if each != name}
            return replace(history, settings=kept if value is None else kept | {name: value})
        case {"do": "say", "text": str(text), "prompt": str(prompt)}:
            return replace(history, turns=(*history.turns, Turn(text, prompt)))
        case {"do": "attach" | "detach"}:
            return replace(history, attached=_attached(history.attached, change))
        case {"do": "trim", "turns": int(count), "summary": str(summary)} if 0 <= count <= len(history.turns):
            return replace(history, forgotten=count, summary=summary)
    return _last_changed(history, change)


def _attached(attached: tuple[Attachment, ...], change: Change) -> tuple[Attachment, ...]:
    """Give what is attached after a change; a text takes the place of an older one from the same source."""
    others = tuple(each for each in attached if each.source != change.get("source"))
    match change:
        case {"do": "attach", "text": str(text), "source": str(source), "title": str(title)}:
            return (*others, Attachment(text, source, title))
        case {"do": "detach", "source": str()}:
            return others
        case {"do": "detach"}:
            return ()
    raise ValueError(_UNKNOWN)


def _last_changed(history: History, change: Change) -> History:
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
            last = replace(last, answer="", finish_reason="cancelled", citations="")
        case {"do": "undo"}:
            return replace(history, turns=tuple(others), forgotten=min(history.forgotten, len(others)))
        case _:
            raise ValueError(_UNKNOWN)
    return replace(history, turns=(*others, last))


def trim(history: History) -> str:
    """Give what becomes of the oldest turns when the window is full: one of `TRIMS`."""
    return str(history.settings.get("trim", TRIMS[0]))


def standing(history: History) -> Iterator[Change]:
    """Yield what holds whatever is said, as the changes that make it hold in another conversation."""
    if history.system:
        yield {"do": "system", "text": history.system}
    if history.prompt:
        yield {"do": "prompt", "name": history.prompt}
    for name, value in history.settings.items():
        yield {"do": "set", "name": name, "value": value}


def short(text: str) -> str:
    """Give the beginning of a text, for a list."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def transcript(turns: Sequence[Turn]) -> str:
    """Give what was said as a text."""
    return "\n".join(f"You: {turn.said}\nModel: {turn.answer}".strip() for turn in turns)
