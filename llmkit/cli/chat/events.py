"""What a chat session says to whoever shows it: a terminal, a pipe, a test.

A session takes lines and yields these. It knows no terminal; who shows them knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Piece:
    """A piece of an answer, as it comes."""

    text: str


@dataclass(frozen=True)
class Ended:
    """An answer's end, and how the window stands after it.

    Attributes:
        model: the name of the model that answered.
        finish_reason: `stop`, `length` where the answer was cut at its limit, `cancelled` where it was broken off.
        tokens: of the answer.
        used: tokens of the window that the conversation now takes, chat markup and system text included.
        window: the size of the window, in tokens.
        first: seconds to the first token.
        seconds: of the whole answer.
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
    """What a command was asked for, or an answer stands on, to be read or piped.

    Attributes:
        markdown: it is to be laid out, else shown as it stands.
        table: its rows are of no use in pieces: at a terminal they end where that does.
    """

    text: str
    markdown: bool = False
    table: bool = False


@dataclass(frozen=True)
class Note:
    """What the person should know, in one line."""

    text: str


@dataclass(frozen=True)
class Problem:
    """What could not be done, and what to do; the conversation goes on.

    Attributes:
        trace: the traceback, where an error is behind it.
    """

    text: str
    trace: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Working:
    """Work that takes a while has begun, or come so far; an empty text ends it."""

    text: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Edit:
    """The person wants to write in an editor, from this text on; what is written is the next line of the session."""

    text: str = ""


@dataclass(frozen=True)
class Left:
    """The person has left."""


Event = Piece | Ended | Output | Note | Problem | Working | Edit | Left
