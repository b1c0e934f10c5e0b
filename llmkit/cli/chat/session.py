"""A chat without a terminal: lines in, events out."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from llmkit.cli.chat import answering, commands, window
from llmkit.cli.chat.conversation.history import Change, applied, short, standing
from llmkit.cli.chat.conversation.record import Record
from llmkit.cli.chat.conversation.store import Store
from llmkit.cli.chat.events import Ended, Event, Note, Problem
from llmkit.cli.options import ModelOptions
from llmkit.errors import LlmkitError, SettingsError

if TYPE_CHECKING:
    from llmkit.chains import QAChain
    from llmkit.models.chat import HuggingFaceChat


def load_model(name: str) -> HuggingFaceChat:
    """Load a chat model, checked first as the command's own is."""
    ModelOptions(name).check()
    from llmkit.models.chat import HuggingFaceChat

    return HuggingFaceChat(model=name)


class Session:
    """A conversation with a model, and the commands that steer it.

    Args:
        llm: the model; its settings hold where the conversation has none of its own.
        store: where conversations are kept.
        system: an instruction that holds for the whole conversation; without one, what a resumed one has.
        prompt: the name of a prompt text that each message fills; without one, what a resumed one has.
        given: settings that hold in this conversation from now on, as `/set` makes them hold.
        resume: the record of a conversation to go on with.
        load: gives a model by its name, for `/model`.
        fetching: arguments of `llmkit.web.fetch`, for `/url`.
        keep: whether the conversation is saved as it goes; `/save` saves it all the same.
    """

    def __init__(
        self,
        llm: HuggingFaceChat,
        *,
        store: Store,
        system: str = "",
        prompt: str = "",
        given: Mapping[str, Any] | None = None,
        resume: Record | None = None,
        load: Callable[[str], HuggingFaceChat] = load_model,
        fetching: Mapping[str, Any] | None = None,
        keep: bool = True,
    ) -> None:
        self.llm = llm.model_copy()  # its settings change, and the caller's model stays as it is
        self.settings = llm.settings
        self.store, self.load, self.keep = store, load, keep
        self.fetching = dict(fetching or {})
        self.chain: QAChain | None = None
        self.asked: object = None  # what the model was asked last, and under which settings
        self.record = resume or store.new(keep=keep)
        self.history = self.record.history
        self._told = ""
        self._notes = self._opening()
        if system and system != self.history.system:
            window.check_system(self.llm, system)
            self.change({"do": "system", "text": system})
        if prompt and prompt != self.history.prompt:
            self.change({"do": "prompt", "name": prompt})
        for name, value in (given or {}).items():
            if self.history.settings.get(name) != value:
                self.change({"do": "set", "name": name, "value": value})
        self._begin()
        self._status = self._ended()

    def opened(self) -> Iterator[Event]:
        """Yield what the person should know before the first line: to be asked for once, after the start."""
        notes, self._notes = self._notes, []
        for text in notes:
            yield Note(text)

    def take(self, line: str) -> Generator[Event, None, None]:
        """Yield what comes of a line: a command (see `commands.read`), or a message, which may have several lines.

        Closing the generator stops the answer; what was said of it stays. Work that gives no pieces (a question to
        what is attached, a page, another model) is one step between two events: an exception that a signal raises
        breaks it off, and changes nothing. A problem changes nothing but what its text says, and the session goes on.
        """
        try:
            yield from self._taken(line)
        except LlmkitError as error:
            yield Problem(" ".join(str(error).split()), traceback.format_exc())
        except Exception as error:  # no error ends a conversation: torch and files have many
            told = f"{type(error).__name__}: {' '.join(str(error).split())} (unexpected; --debug shows where)"
            yield Problem(told, traceback.format_exc())
        finally:
            self._status = self._ended(self._status)
        if self.record.trouble != self._told:
            self._told = self.record.trouble
            yield Problem(self._told)

    def status(self) -> Ended:
        """Give how the window stands, and how the last answer ended; without one, `finish_reason` is empty."""
        return self._status

    def choices(self, kind: str) -> list[str]:
        """Give what an argument may be completed to; `kind` is a `Command`'s `completes`."""
        return commands.choices(self, kind)

    def close(self) -> None:
        """End the conversation; its file is whole, and free for others."""
        self.record.close(empty=not self.history.turns)

    def change(self, change: Change, *, sync: bool = False) -> None:
        """Change the conversation, in its file too."""
        self.history = applied(self.history, change)
        self.record.add(change, sync=sync)

    def switch(self, record: Record) -> None:
        """Go on with another conversation; the one before is closed."""
        before = self.history
        self.close()
        self.record, self.history = record, record.history
        self._notes = self._opening()
        if not record.name:  # a new one, under what held so far
            for change in standing(before):
                self.change(change)
        self._begin()
        self.forget_speed()

    def use(self, llm: HuggingFaceChat) -> None:
        """Go on with another model, under the same settings."""
        settings = self.llm.settings
        self.llm, self.chain = llm.model_copy(), None
        self.llm.settings = settings
        self._name_model()

    def ended(self, finish_reason: str, tokens: int, first: float, seconds: float) -> Ended:
        """Give an answer's end, and remember it as the status."""
        self._status = self._ended(Ended("", finish_reason, tokens, 0, 0, first, seconds))
        return self._status

    def forget_speed(self) -> None:
        """Let the status tell no more of the last answer, which is no longer there."""
        self._status = self._ended()

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.llm.model if isinstance(self.llm.model, str) else self.llm.engine.loaded.name

    def _taken(self, line: str) -> Iterator[Event]:
        found = commands.read(line)
        if isinstance(found, str):
            yield from answering.say(self, found)
        elif found:
            yield from found.command.run(self, found.argument)

    def _opening(self) -> list[str]:
        notes = list(self.record.notes)
        if self.record.name and self.history.turns:
            count, last = len(self.history.turns), self.history.turns[-1]
            notes.append(f"{self.record.name}: {count} turn{'s' * (count > 1)} so far, the last: {short(last.said)}")
            if not last.answer:
                notes.append("it has no answer yet: /retry answers it")
            elif last.finish_reason == "cancelled":
                notes.append("its answer was broken off: /continue goes on with it")
        return notes

    def _begin(self) -> None:
        """Let the conversation's settings hold, and say which model it goes on with."""
        own = {name: value for name, value in self.history.settings.items() if name != "trim"}
        try:
            self.llm.settings = self.settings.override(**own)
        except SettingsError as error:  # a file of another version, or one that was edited
            self.llm.settings = self.settings
            self._notes.append(f"the conversation's own settings are passed over: {error}")
        try:
            window.check_system(self.llm, self.history.system)
        except LlmkitError as error:
            self._notes.append(str(error))
        self._name_model()

    def _name_model(self) -> None:
        if self.history.model != self.model:
            if self.history.model and self.record.name:
                self._notes.append(f"so far with {self.history.model}, from now on with {self.model}")
            self.change({"do": "model", "name": self.model})

    def _ended(self, last: Ended | None = None) -> Ended:
        last = last or Ended("", "", 0, 0, 0, 0.0, 0.0)
        try:
            used = window.tokens(self.llm, self.history)
        except LlmkitError:  # a model's template may refuse what another's took; the next message tells
            used = 0
        return Ended(
            self.model, last.finish_reason, last.tokens, used, self.llm.context_window, last.first, last.seconds
        )
