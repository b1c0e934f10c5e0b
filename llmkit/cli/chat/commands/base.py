"""What a command of a chat is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from llmkit.cli.chat.events import Event

if TYPE_CHECKING:
    from llmkit.cli.chat.state import ChatState

Run = Callable[["ChatState", str], Iterator[Event]]
Needs = Literal["", "conversation", "chat"]
Choices = Callable[["ChatState"], Iterable[str]]


@dataclass(frozen=True)
class Command:
    """A command; `choices` returns what its argument can be completed to, unless it `takes_path`.

    `argument` is as in its usage, empty where it takes none; `more` has further lines of `/help NAME`. `needs` is what
    it has an effect in: a `chat` that goes on, or with an argument a `conversation`, be it one that is only kept.
    """

    name: str
    argument: str
    help: str
    run: Run
    choices: Choices
    takes_path: bool = False
    more: str = ""
    needs: Needs = ""

    @property
    def takes_name(self) -> bool:
        """Whether the argument is a name, a path or a URL, and not text of any length."""
        return self.argument not in ("", "[TEXT]", "NAME [VALUE]")

    @property
    def usage(self) -> str:
        """The command with its argument."""
        return f"/{self.name} {self.argument}".rstrip()


def command(
    argument: str = "",
    choices: Choices = lambda state: (),
    *,
    takes_path: bool = False,
    more: str = "",
    needs: Needs = "",
) -> Callable[[Run], Command]:
    """Turn a function into the command of its name; its docstring is the help."""

    def define(run: Run) -> Command:
        name, text = run.__name__.rstrip("_"), str(run.__doc__)
        return Command(name, argument, text, run, choices, takes_path, more, needs)

    return define
