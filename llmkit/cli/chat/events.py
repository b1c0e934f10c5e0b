"""The events of a chat, which a terminal, a pipe or a test shows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Piece:
    """A piece of an answer."""

    text: str


@dataclass(frozen=True)
class Ended:
    """The end of an answer, and how full the context window is after it.

    Attributes:
        model: The name of the model.
        finish_reason: `stop`, `length` where the answer was cut at its limit, `cancelled` where it was interrupted.
        tokens: The tokens of the answer.
        used: The tokens of the conversation, chat markup and system prompt included.
        window: The size of the context window, in tokens.
        first: Seconds to the first token.
        seconds: Seconds of the whole answer.
    """

    model: str
    finish_reason: str
    tokens: int
    used: int
    window: int
    first: float
    seconds: float


@dataclass(frozen=True)
class Output:
    """What a command was asked for, or the citations of an answer.

    Attributes:
        table: its rows are cut at a terminal's width, not wrapped.
    """

    text: str
    table: bool = False


@dataclass(frozen=True)
class Note:
    """A note for the person, in one line."""

    text: str


@dataclass(frozen=True)
class Problem:
    """What could not be done, and what to do; the conversation goes on.

    Attributes:
        trace: The traceback of the error behind it.
    """

    text: str
    trace: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Working:
    """Work that takes a while has begun; an empty text ends it."""

    text: str


@dataclass(frozen=True)
class Edit:
    """The next line is to be written in an editor, which begins with this text."""

    text: str = ""


@dataclass(frozen=True)
class Left:
    """The person leaves."""


Event = Piece | Ended | Output | Note | Problem | Working | Edit | Left
