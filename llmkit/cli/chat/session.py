"""A chat without a terminal: lines in, events out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from llmkit.cli.chat import answering, commands, window
from llmkit.cli.chat.events import Ended, Event, Note, Problem
from llmkit.cli.chat.history import Change, applied, short
from llmkit.cli.chat.record import Record
from llmkit.cli.chat.store import Store
from llmkit.cli.options import ModelOptions
from llmkit.errors import LlmkitError

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
        llm: the model; its settings are those that `/set` goes back to.
        store: where conversations are kept.
        system: an instruction that holds for the whole conversation; without one, what a resumed one has.
        prompt: the name of a prompt text that each message fills.
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
        resume: Record | None = None,
        load: Callable[[str], HuggingFaceChat] = load_model,
        fetching: Mapping[str, Any] | None = None,
        keep: bool = True,
    ) -> None:
        self.llm = llm.model_copy()  # its settings change, and the caller's model stays as it is
        self.settings = llm.settings
        self.store, self.load, self.prompt, self.keep = store, load, prompt, keep
        self.fetching = dict(fetching or {})
        self.trim: str = "oldest"
        self.chain: QAChain | None = None
        self.record = resume or store.new(keep=keep)
        self.history = self.record.history
        self._told = ""
        self._notes = self._opening()
        if system and system != self.history.system:
            window.check_system(self.llm, system)
            self.change({"do": "system", "text": system})
        self._name_model()
        self._status = self._ended()

    def opened(self) -> Iterator[Event]:
        """Yield what the person should know before the first line: to be asked for once, after the start."""
        notes, self._notes = self._notes, []
        for text in notes:
            yield Note(text)

    def take(self, line: str) -> Generator[Event, None, None]:
        """Yield what comes of a line: a command (see `commands.read`), or a message, which may have several lines.

        Closing the generator stops the answer; what was said of it stays. A problem changes nothing but what its
        text says, and the session goes on.
        """
        try:
            yield from self._taken(line)
        except LlmkitError as error:
            yield Problem(" ".join(str(error).split()))
        except Exception as error:  # no error ends a conversation: torch and files have many
            yield Problem(f"{type(error).__name__}: {' '.join(str(error).split())} (unexpected)")
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
        system = self.history.system
        self.close()
        self.record, self.history = record, record.history
        self._notes = self._opening()
        if not record.name and system:
            self.change({"do": "system", "text": system})
        self._name_model()

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
