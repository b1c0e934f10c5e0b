"""The events of a chat, which a terminal, a pipe or a test shows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class _Text:
    text: str


class Piece(_Text):
    """A piece of an answer."""


class Note(_Text):
    """A note for the person, in one line."""


class Alert(_Text):
    """What makes a conversation incomplete, in one line; it is shown even where notes are not."""


class Working(_Text):
    """Work that takes a while has begun; the next event ends it."""


class Edit(_Text):
    """The next line is to be written in an editor, which begins with this text."""


@dataclass(frozen=True)
class Ended:
    """The end of an answer, and how full the context window is after it.

    `finish_reason` is `stop`, `length` where the answer was cut at its limit, or `cancelled` where it was interrupted.
    The answer has `tokens`, the first after `first` seconds and all after `seconds`; the conversation, with its system
    prompt and chat markup, takes `used` of the `window` tokens.
    """

    model: str
    finish_reason: str = ""
    tokens: int = 0
    used: int = 0
    window: int = 0
    first: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Output:
    """What a command was asked for, or the citations of an answer; a terminal cuts the rows of a table at its width."""

    text: str
    table: bool = False


@dataclass(frozen=True)
class PastTurn:
    """A message and its answer of a conversation that is continued, shown dimmed at a terminal and not elsewhere."""

    message: str
    answer: str


@dataclass(frozen=True)
class Problem:
    """What could not be done, and what to do; the conversation goes on. `trace` is the traceback of its error."""

    text: str
    trace: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Left:
    """The person leaves."""


Event = Piece | Ended | Output | PastTurn | Note | Alert | Problem | Working | Edit | Left
