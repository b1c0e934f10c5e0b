"""What a command of a chat is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmkit.cli.chat.events import Event

if TYPE_CHECKING:
    from llmkit.cli.chat.state import ChatState

Run = Callable[["ChatState", str], Iterator[Event]]
Choices = Callable[["ChatState"], Iterable[str]]


@dataclass(frozen=True)
class Command:
    """A command; `choices` returns what its argument can be completed to, unless it `takes_path`.

    `argument` is as in its usage, empty where it takes none; `more` has further lines of `/help NAME`.
    """

    name: str
    argument: str
    help: str
    run: Run
    choices: Choices
    takes_path: bool = False
    more: str = ""

    @property
    def usage(self) -> str:
        """The command with its argument."""
        return f"/{self.name} {self.argument}".rstrip()


def command(
    argument: str = "", choices: Choices = lambda state: (), *, takes_path: bool = False, more: str = ""
) -> Callable[[Run], Command]:
    """Turn a function into the command of its name; its docstring is the help."""
    return lambda run: Command(run.__name__.rstrip("_"), argument, str(run.__doc__), run, choices, takes_path, more)
