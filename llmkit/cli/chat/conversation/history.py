"""A conversation as a value, and the changes that lead from one to the next; its file contains these changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

VERSION = 1
_UNKNOWN = "this version of llmkit does not know such a change, or it does not fit here"
TRIMS = ("oldest", "summarize")
SHORT = 28
"""Characters of a message in a list."""

Change = Mapping[str, Any]
"""A JSON object; its `do` says which change it is (see `applied`)."""


@dataclass(frozen=True)
class Turn:
    """A message and its answer.

    Attributes:
        prompt: The prompt text that the message filled; empty for a plain message.
        answer: Empty while there is none.
        finish_reason: `stop`, `length` or `cancelled`, which is also that of an answer without an end.
        citations: The citations of an answer from an attached text, as they are shown. The model never sees them, and
            so cannot learn to write what looks like them.
    """

    message: str
    prompt: str = ""
    answer: str = ""
    finish_reason: str = "cancelled"
    citations: str = ""


@dataclass(frozen=True)
class Attachment:
    """A text that questions are answered from; `source` is its path or URL."""

    text: str
    source: str
    title: str = ""


@dataclass(frozen=True)
class History:
    """All turns, and what the model still sees of them.

    Attributes:
        model: The name of the model that was used last.
        system: The system prompt.
        dropped: How many of the first turns the model no longer sees.
        summary: A summary of those turns, or empty.
        prompt: The prompt text that each further message fills.
        settings: The settings of this conversation, by name.
    """

    model: str = ""
    system: str = ""
    turns: tuple[Turn, ...] = ()
    dropped: int = 0
    summary: str = ""
    attached: tuple[Attachment, ...] = ()
    prompt: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def apply_change(history: History, change: Change) -> History:
    """Return the conversation after a change.

    Raises:
        ValueError: it is not a change, or not one of this conversation.
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
        case {"do": "set", "name": str(name), "value": value}:  # None restores the default
            others = {key: old for key, old in history.settings.items() if key != name}
            return replace(history, settings=others if value is None else others | {name: value})
        case {"do": "say", "text": str(text), "prompt": str(prompt)}:
            return replace(history, turns=(*history.turns, Turn(text, prompt)))
        case {"do": "attach" | "detach"}:
            return replace(history, attached=_attached(history.attached, change))
        case {"do": "trim", "turns": int(count), "summary": str(summary)} if 0 <= count <= len(history.turns):
            return replace(history, dropped=count, summary=summary)
    return _last_changed(history, change)


def _attached(attached: tuple[Attachment, ...], change: Change) -> tuple[Attachment, ...]:
    """Return what is attached after a change; a text replaces an older one from the same source."""
    others = tuple(text for text in attached if text.source != change.get("source"))
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
            return replace(history, turns=tuple(others), dropped=min(history.dropped, len(others)))
        case _:
            raise ValueError(_UNKNOWN)
    return replace(history, turns=(*others, last))


def trim_mode(history: History) -> str:
    """Return what happens to the oldest turns when the window is full: one of `TRIMS`."""
    return str(history.settings.get("trim", TRIMS[0]))


def lasting_changes(history: History) -> Iterator[Change]:
    """Yield the system prompt, prompt text and settings, as the changes that set them in a new conversation."""
    if history.system:
        yield {"do": "system", "text": history.system}
    if history.prompt:
        yield {"do": "prompt", "name": history.prompt}
    for name, value in history.settings.items():
        yield {"do": "set", "name": name, "value": value}


def shorten(text: str) -> str:
    """Return the beginning of a text, for a list."""
    line = " ".join(text.split())
    return line if len(line) <= SHORT else f"{line[: SHORT - 1]}…"


def transcript(turns: Sequence[Turn]) -> str:
    """Return the turns as one text."""
    return "\n".join(f"You: {turn.message}\nModel: {turn.answer}".strip() for turn in turns)
