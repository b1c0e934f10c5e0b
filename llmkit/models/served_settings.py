"""Generation settings of llmkit as those of a served model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from llmkit.errors import SettingsError
from llmkit.models.generation.settings import GenerationSettings
from llmkit.models.served import ServedChat

_FIELDS = {
    "max_new_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
    "n": "n",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
"""What OpenAI's API has, by the name of the setting."""

_EXTRA = ("top_k", "min_p", "repetition_penalty")
"""What servers take beside it: vLLM, SGLang and llama.cpp."""


class SettableChat(ServedChat):
    """A served model whose settings are those of llmkit and may change, as a conversation at the terminal needs them.

    Attributes:
        settings: generation settings; assigning one that servers do not have raises `SettingsError`.
    """

    _settings: GenerationSettings = PrivateAttr(default_factory=GenerationSettings)

    @property
    def settings(self) -> GenerationSettings:
        """The generation settings."""
        return self._settings

    @settings.setter
    def settings(self, settings: GenerationSettings) -> None:
        fields = _as_fields(settings)
        self._settings = settings
        for name in (*_FIELDS.values(), "extra_body"):
            setattr(self, name, fields.get(name))

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return super()._generate(messages, *args, **_as_options(kwargs))

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        yield from super()._stream(messages, *args, **_as_options(kwargs))


def served_chat(
    base_url: str, model: str, settings: GenerationSettings, tokenizer: str | None, context_window: int | None
) -> SettableChat:
    """Return a served model with generation settings.

    Raises:
        SettingsError: a setting is given that servers do not have.
    """
    fields = _as_fields(settings)
    make: Any = SettableChat  # type checkers see pydantic's constructor
    llm: SettableChat = make(base_url, model, tokenizer=tokenizer, context_window=context_window or 0, **fields)
    llm.settings = settings
    return llm


def _as_fields(settings: GenerationSettings) -> dict[str, Any]:
    """Return settings as fields of `ChatOpenAI`, those that have their defaults left out."""
    given = settings.model_dump(exclude_defaults=True)
    if unknown := sorted(given.keys() - _FIELDS.keys() - set(_EXTRA)):
        raise SettingsError(f"{unknown[0]} is given, but servers do not have it: leave it out")
    fields: dict[str, Any] = {_FIELDS[name]: value for name, value in given.items() if name in _FIELDS}
    if "stop" in fields:
        fields["stop"] = list(fields["stop"])
    if extra := {name: given[name] for name in _EXTRA if name in given}:
        fields["extra_body"] = extra
    return fields


def _as_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return options of a call by the names that servers have."""
    return {_FIELDS.get(name, name): value for name, value in options.items()}
