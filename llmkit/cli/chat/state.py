"""The state of a chat: the conversation, its file, the model and the status. It knows no command and no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from llmkit.cli.chat import window
from llmkit.cli.chat.conversation.history import Change, apply_change, lasting_changes, shorten
from llmkit.cli.chat.conversation.store import Record, Store
from llmkit.cli.chat.events import Ended, Event, Note
from llmkit.cli.options import ModelOptions
from llmkit.errors import LlmkitError, SettingsError

if TYPE_CHECKING:
    from llmkit.chains import QAChain
    from llmkit.models.chat import HuggingFaceChat


def load_model(name: str) -> HuggingFaceChat:
    """Load a chat model, validated first as the one of the command line is."""
    ModelOptions(name).check()
    from llmkit.models.chat import HuggingFaceChat

    return HuggingFaceChat(model=name)


class ChatState:
    """A conversation with a model.

    Args:
        llm: The model; its settings are the defaults of the conversation.
        store: Where conversations are kept.
        system: The system prompt; empty keeps that of a resumed conversation.
        prompt: The prompt text that each message fills; empty keeps that of a resumed conversation.
        given: Settings of this conversation, as `/set` would set them.
        resume: The record of a conversation to continue.
        load: Loads a model by its name, for `/model`.
        fetching: Arguments of `llmkit.web.fetch`, for `/url`.
        keep: Whether the conversation is saved as it goes; `/save` saves it in any case.

    Attributes:
        defaults: The settings without those of the conversation.
        last_request: What the model was asked last, and with which settings.
        reported_trouble: The trouble with the conversation's file that was already shown.
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
        self.defaults = llm.settings
        self.store, self.load, self.keep = store, load, keep
        self.fetching = dict(fetching or {})
        self.qa_chain: QAChain | None = None
        self.last_request: object = None
        self.reported_trouble = ""
        self.record = resume or store.new(keep=keep)
        self.history = self.record.history
        self._notes = self._opening_notes()
        if system and system != self.history.system:
            window.validate_system(self.llm, system)
            self.change({"do": "system", "text": system})
        if prompt and prompt != self.history.prompt:
            self.change({"do": "prompt", "name": prompt})
        for name, value in (given or {}).items():
            if self.history.settings.get(name) != value:
                self.change({"do": "set", "name": name, "value": value})
        self._apply_settings()
        self._status = self._new_status()

    def opening(self) -> Iterator[Event]:
        """Yield what the person should know before the first line; once after each start or switch."""
        notes, self._notes = self._notes, []
        yield from map(Note, notes)

    def status(self) -> Ended:
        """Return how full the window is, and how the last answer ended (`finish_reason` is empty without one)."""
        return self._status

    def close(self) -> None:
        """End the conversation: its file is complete, and free for other chats."""
        self.record.close(empty=not self.history.turns)

    def change(self, change: Change, *, sync: bool = False) -> None:
        """Change the conversation, in memory and in its file."""
        self.history = apply_change(self.history, change)
        self.record.add(change, sync=sync)

    def switch(self, record: Record) -> None:
        """Close the conversation and continue with another one."""
        before = self.history
        self.close()
        self.record, self.history = record, record.history
        self._notes = self._opening_notes()
        if not record.name:  # a new one keeps the system prompt and the settings
            for change in lasting_changes(before):
                self.change(change)
        self._apply_settings()
        self.clear_speed()

    def use(self, llm: HuggingFaceChat) -> None:
        """Continue with another model and the same settings."""
        settings = self.llm.settings
        self.llm, self.qa_chain = llm.model_copy(), None
        self.llm.settings = settings
        self._record_model()

    def end_answer(self, finish_reason: str, tokens: int, first: float, seconds: float) -> Ended:
        """Return the end of an answer, which becomes the status; `first` and `seconds` are in seconds."""
        self._status = self._new_status(Ended("", finish_reason, tokens, 0, 0, first, seconds))
        return self._status

    def update_status(self) -> None:
        """Compute anew how full the window is."""
        self._status = self._new_status(self._status)

    def clear_speed(self) -> None:
        """Remove the last answer from the status."""
        self._status = self._new_status()

    @property
    def model(self) -> str:
        """The name of the model, by which `/load` and `--resume` find it again."""
        return self.llm.model if isinstance(self.llm.model, str) else self.llm.model_name

    def _opening_notes(self) -> list[str]:
        notes = list(self.record.notes)
        if self.record.name and self.history.turns:
            count, last = len(self.history.turns), self.history.turns[-1]
            notes.append(
                f"{self.record.name}: {count} turn{'s' * (count > 1)} so far, the last: {shorten(last.message)}"
            )
            if not last.answer:
                notes.append("it has no answer yet: /retry answers it")
            elif last.finish_reason == "cancelled":
                notes.append("its answer was interrupted: /continue continues it")
        return notes

    def _apply_settings(self) -> None:
        settings = {name: value for name, value in self.history.settings.items() if name != "trim"}
        try:
            self.llm.settings = self.defaults.override(**settings)
        except SettingsError as error:  # a file of another version, or one that was edited
            self.llm.settings = self.defaults
            self._notes.append(f"the conversation's own settings are ignored: {error}")
        try:
            window.validate_system(self.llm, self.history.system)
        except LlmkitError as error:
            self._notes.append(str(error))
        self._record_model()

    def _record_model(self) -> None:
        if self.history.model != self.model:
            if self.history.model and self.record.name:
                self._notes.append(f"so far with {self.history.model}, from now on with {self.model}")
            self.change({"do": "model", "name": self.model})

    def _new_status(self, last: Ended | None = None) -> Ended:
        last = last or Ended("", "", 0, 0, 0, 0.0, 0.0)
        try:
            used = window.count_tokens(self.llm, self.history)
        except LlmkitError:  # a model's template may refuse what another's took; the next message tells
            used = 0
        return Ended(
            self.model, last.finish_reason, last.tokens, used, self.llm.context_window, last.first, last.seconds
        )
