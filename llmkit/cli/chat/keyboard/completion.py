"""What a command can go on with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from llmkit.cli.chat.commands import COMMANDS
from llmkit.cli.chat.conversation.history import TRIMS

Choices = Callable[[str], Sequence[str]]
"""Gives what an argument of a kind may be: `Session.choices`."""


class CommandCompleter(Completer):
    """Completes a command's name, then its argument; a message is the person's own."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._files = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield what the text before the cursor can become."""
        text = document.text_before_cursor
        name, space, argument = text.partition(" ")
        if not text.startswith("/") or "\n" in text:
            return
        if not space:
            for command in COMMANDS:
                if command.name.startswith(name[1:].lower()):
                    shown = f"/{command.name} {command.argument}".rstrip()
                    yield Completion(f"/{command.name}", -len(text), display=shown, display_meta=command.help)
            return
        argument = argument.lstrip()
        kind = next((command.completes for command in COMMANDS if command.name == name[1:].lower()), None)
        if kind == "file":
            yield from self._files.get_completions(Document(argument), complete_event)
        elif kind == "setting" and " " in argument:
            yield from _beginning(_values(argument), argument.rpartition(" ")[2])
        elif kind:
            yield from _beginning(self._choices(kind), argument)


def _values(argument: str) -> Sequence[str]:
    return TRIMS if argument.split()[0] == "trim" else ()


def _beginning(words: Iterable[str], text: str) -> Iterator[Completion]:
    for word in words:
        if word.lower().startswith(text.lower()):
            yield Completion(word, -len(text))
