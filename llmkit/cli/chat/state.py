"""The state of a chat: the conversation, its file, the model and the status. It knows no command and no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmkit.cli.chat import window
from llmkit.cli.chat.events import Alert, Ended, Event, Note, PastTurn
from llmkit.cli.chat.history import Change, Turn, apply_change, shorten
from llmkit.cli.chat.store import Record, Store
from llmkit.cli.option_groups import ModelOptions
from llmkit.errors import ContextWindowExceeded, LlmkitError, SettingsError

if TYPE_CHECKING:
    from llmkit.chains import QAChain
    from llmkit.models.chat import HuggingFaceChat


PAST_TURNS = 3
"""How many of the last turns are shown when a conversation is continued."""


def load_model(name: str) -> HuggingFaceChat:
    """Load a chat model, checked first as that of the command line is."""
    ModelOptions(name).check()
    from llmkit.models.chat import HuggingFaceChat

    return HuggingFaceChat(model=name)


class ChatState:
    """A conversation with a model, whose settings are the defaults of the conversation.

    `system` and `given` replace the system prompt and the settings of `resume`, a record to continue. `load` loads a
    model by its name, for `/model`, and `fetching` are arguments of `llmkit.web.fetch`, for `/url`. With `keep` the
    conversation is saved as it goes; `/save` saves it in any case. `context_window` is that of the model, if
    one was given.
    """

    def __init__(
        self,
        llm: HuggingFaceChat,
        *,
        store: Store,
        system: str = "",
        given: Mapping[str, Any] | None = None,
        resume: Record | None = None,
        load: Callable[[str], HuggingFaceChat] = load_model,
        fetching: Mapping[str, Any] | None = None,
        keep: bool = True,
        context_window: int = 0,
    ) -> None:
        self.llm = llm.model_copy()  # its settings change, and the caller's model stays as it is
        self.defaults = llm.settings
        self.store, self.load, self.keep, self.fetching = store, load, keep, dict(fetching or {})
        self.context_window = context_window
        self.qa_chain: QAChain | None = None
        self.last_request: object = None  # what the model was asked last, and with which settings
        self.reported_trouble = ""  # with the conversation's file: of the record, or of one before it
        self.record = resume or store.new(keep=keep)
        self.history = self.record.history
        self._past: tuple[Turn, ...] = ()
        self._notes = self._opening_notes()
        if system:
            window.validate_system(self.llm, system)
        self._begin(system, given or {})

    def opening(self) -> Iterator[Event]:
        """Yield what the person should know before the first line; once after each start or switch."""
        yield from self.report_trouble()
        notes, self._notes = self._notes, []
        turns, self._past = self._past, ()
        yield from (PastTurn(turn.message, turn.answer) for turn in turns)
        yield from map(Note, notes)

    def report_trouble(self) -> Iterator[Event]:
        """Yield, once, why the conversation is not saved though it should be."""
        if self.record.trouble != self.reported_trouble:
            self.reported_trouble = self.record.trouble
            if self.record.trouble:
                yield Alert(self.record.trouble)

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
        is_new = not record.name  # and keeps the system prompt and the settings
        self._begin(before.system if is_new else "", before.settings if is_new else {})

    def use(self, llm: HuggingFaceChat) -> None:
        """Continue with another model and the same settings."""
        settings = self.llm.settings
        self.llm, self.qa_chain, self.context_window = llm.model_copy(), None, 0
        self.llm.settings = settings
        self._record_model()

    def end_answer(self, finish_reason: str, tokens: int, first: float, seconds: float) -> Ended:
        """Return the end of an answer, which becomes the status; `first` and `seconds` are in seconds."""
        self.status = Ended("", finish_reason, tokens, first=first, seconds=seconds)
        return self.update_status()

    def update_status(self) -> Ended:
        """Compute anew how full the window is."""
        try:
            used = window.count_tokens(self.llm, self.history)
        except LlmkitError:  # a model's template may refuse what another's took; the next message tells
            used = 0
        self.status = replace(self.status, model=self.model, used=used, window=self.llm.context_window)
        return self.status

    def clear_speed(self) -> None:
        """Remove the last answer from the status."""
        self.status = Ended("")
        self.update_status()

    @property
    def model(self) -> str:
        """The name of the model, by which `/load` and `--resume` find it again."""
        return self.llm.model if isinstance(self.llm.model, str) else self.llm.model_name

    @property
    def model_defaults(self) -> Any:
        """What the model takes where no setting says it, as transformers' `GenerationConfig`.

        `None` for a model that a server runs: the server's own defaults are not known here.
        """
        engine = getattr(self.llm, "engine", None)
        return engine and engine.loaded.model.generation_config

    @property
    def is_sampling(self) -> bool:
        """Whether answers are sampled; if nothing says it, servers do."""
        defaults, sampled = self.model_defaults, self.llm.settings.sampled
        return bool(defaults is None or defaults.do_sample) if sampled is None else sampled

    def _opening_notes(self) -> list[str]:
        notes, self._past = list(self.record.notes), self.history.turns[-PAST_TURNS:] if self.record.name else ()
        if self.record.name and self.history.turns:
            count, last = len(self.history.turns), self.history.turns[-1]
            turns = f"{count} turn{'s' * (count > 1)} so far"
            notes.append(f"{self.record.name}: {turns}, the last: {shorten(last.message)}")
            if not last.answer:
                notes.append("it has no answer yet: /retry answers it")
            elif last.finish_reason == "cancelled":
                notes.append("its answer was interrupted: /continue continues it")
        if attached := self.history.attached:
            names, them = ", ".join(text.source for text in attached), "it" if len(attached) == 1 else "them"
            notes.append(f"still attached: {names}; questions are answered from {them}, until /detach")
        return notes

    def _begin(self, system: str, settings: Mapping[str, Any]) -> None:
        if system and system != self.history.system:
            self.change({"do": "system", "text": system})
        for name, value in settings.items():
            if self.history.settings.get(name) != value:
                self.change({"do": "set", "name": name, "value": value})
        try:
            self.llm.settings = self.defaults.override(**self.history.settings)
        except SettingsError as error:  # a file of another version, or one that was edited
            self.llm.settings = self.defaults
            self._notes.append(f"the conversation's own settings are ignored: {error}")
        try:
            window.validate_system(self.llm, self.history.system)
        except ContextWindowExceeded as error:
            self._notes.append(str(error))
        except LlmkitError:
            pass  # such as a damaged template: the first message says so
        self._record_model()
        self.clear_speed()

    def _record_model(self) -> None:
        if self.history.model not in ("", self.model) and self.record.name:
            self._notes.append(f"so far with {self.history.model}, from now on with {self.model}")
        change: dict[str, Any] = {"do": "model", "name": self.model}
        change |= {"context_window": self.context_window} if self.context_window else {}
        if apply_change(self.history, change) != self.history:
            self.change(change)
