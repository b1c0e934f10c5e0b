"""Completion of commands and their arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from llmkit.cli.chat.commands import COMMANDS, ArgumentKind
from llmkit.cli.chat.conversation.history import TRIMS


class CommandCompleter(Completer):
    """Completes the name of a command, then its argument; `choices` returns what an argument can be."""

    def __init__(self, choices: Callable[[ArgumentKind], Sequence[str]]) -> None:
        self._choices = choices
        self._files = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield the completions of the text before the cursor."""
        text = document.text_before_cursor
        name, space, argument = text.partition(" ")
        if not text.startswith("/") or "\n" in text:
            return
        if not space:
            for command in COMMANDS:
                if command.name.startswith(name[1:].lower()):
                    yield Completion(f"/{command.name}", -len(text), display=command.usage, display_meta=command.help)
            return
        argument = argument.lstrip()
        argument_kind = next((command.completes for command in COMMANDS if command.name == name[1:].lower()), None)
        if argument_kind == "file":
            yield from self._files.get_completions(Document(argument), complete_event)
        elif argument_kind == "setting" and " " in argument:
            yield from _starting_with(_values(argument), argument.rpartition(" ")[2])
        elif argument_kind:
            yield from _starting_with(self._choices(argument_kind), argument)


def _values(argument: str) -> Sequence[str]:
    return TRIMS if argument.split()[0] == "trim" else ()


def _starting_with(words: Iterable[str], text: str) -> Iterator[Completion]:
    for word in words:
        if word.lower().startswith(text.lower()):
            yield Completion(word, -len(text))
