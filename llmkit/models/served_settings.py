"""Generation settings of llmkit as those of a served model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmkit.errors import SettingsError
from llmkit.models.generation.settings import GenerationSettings

if TYPE_CHECKING:
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


def served_chat(
    base_url: str, model: str, settings: GenerationSettings, tokenizer: str | None, context_window: int | None
) -> ServedChat:
    """Return a served model with generation settings.

    Raises:
        SettingsError: a setting is given that servers do not have.
    """
    from llmkit.models.served import ServedChat

    given = settings.model_dump(exclude_defaults=True)
    if unknown := sorted(given.keys() - _FIELDS.keys() - set(_EXTRA)):
        raise SettingsError(f"{unknown[0]} is given, but servers do not have it: leave it out")
    fields: dict[str, Any] = {_FIELDS[name]: value for name, value in given.items() if name in _FIELDS}
    if "stop" in fields:
        fields["stop"] = list(fields["stop"])
    if extra := {name: given[name] for name in _EXTRA if name in given}:
        fields["extra_body"] = extra
    return ServedChat(base_url, model, tokenizer=tokenizer, context_window=context_window or 0, **fields)
