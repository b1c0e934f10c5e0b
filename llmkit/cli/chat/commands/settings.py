"""Commands for the settings of generation."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llmkit.cli.chat import window
from llmkit.cli.chat.commands.base import command
from llmkit.cli.chat.events import Event, Note, Output
from llmkit.cli.control_characters import to_json
from llmkit.errors import InputError, SettingsError
from llmkit.models.generation.ranges import RANGES

if TYPE_CHECKING:
    from llmkit.cli.chat.state import ChatState


_PURPOSES = {
    "max_new_tokens": "the most tokens of an answer",
    "min_new_tokens": "the fewest tokens of an answer",
    "temperature": "0 takes the likeliest token (greedy), higher values vary more",
    "top_k": "sample among the k likeliest tokens, 0 is all of them",
    "top_p": "sample among the likeliest tokens that together reach this probability",
    "min_p": "drop tokens less likely than this share of the likeliest one",
    "typical_p": "sample among locally typical tokens of this probability mass",
    "repetition_penalty": "above 1 makes repeated tokens less likely, below 1 more likely",
    "no_repeat_ngram_size": "no sequence of this many tokens occurs twice, 0 is no limit",
    "num_beams": "beams of beam search, 1 is none",
    "length_penalty": "in beam search, above 0 prefers longer answers, below 0 shorter ones",
    "stop": 'what ends an answer: a text as it is, or JSON: "\\n" is a line end, ["a", "b"] are two texts',
    "seed": "makes sampling reproducible",
    "n": "answers to a message: 1",
    "source_language": "what a translation model translates from: a code such as eng_Latn",
    "target_language": "what a translation model translates into: a code such as fra_Latn",
    "forced_bos_token_id": "the token that an encoder-decoder model begins with",
    "presence_penalty": "makes every token that the answer already has less likely",
    "frequency_penalty": "the same, once for each time that it occurs",
}
MEANINGS = {
    name: f"{text}: {RANGES[name]}" if name in RANGES and name != "n" else text for name, text in _PURPOSES.items()
}
"""What each setting does, and its values."""
_WIDTH = max(map(len, MEANINGS))


@command(
    "NAME [VALUE]",
    lambda state: MEANINGS,
    more="\n".join(f"{name:{_WIDTH}}  {text}" for name, text in MEANINGS.items()),
    needs="conversation",
)
def set_(state: ChatState, argument: str) -> Iterator[Event]:
    """Change a setting; without a value, restore it."""
    name, _, text = argument.partition(" ")
    text = text.strip()
    if name not in MEANINGS:
        near = difflib.get_close_matches(name, MEANINGS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(MEANINGS)}"
        raise InputError(f"there is no setting {name!r:.100}: {hint}" if name else f"/set needs a name: {hint}")
    value = _parse_value(name, text) if text else None
    if name == "n" and value not in (1, None):
        raise SettingsError(f"n is {value!r}, but a message of a chat has one answer")
    chosen = state.llm.settings.override(**{name: value if text else getattr(state.defaults, name)})
    if name == "max_new_tokens" and value:
        window.validate_system(state.llm, state.history.system, value)
    state.llm.settings = chosen
    state.change({"do": "set", "name": name, "value": value})
    unused = explain_unused(state) if text and name in ("seed", *_SAMPLING[1:]) else ""
    yield Note("; ".join(filter(None, (f"{name} is {_effective(state, name)[0]}", unused))))


@command()
def show(state: ChatState, argument: str) -> Iterator[Event]:
    """Show all settings with their values, and where each comes from."""
    others = {
        "model": f"{state.model}, {state.llm.context_window} tokens",
        "system": state.history.system or "none",
        "attached": ", ".join(text.source for text in state.history.attached) or "nothing",
        "saved as": state.record.name or ("nothing yet" if state.record.keep else "not saved"),
    }
    settings = {name: "{}  ({})".format(*_effective(state, name)) for name in MEANINGS}
    yield Output("\n".join(f"{name:{_WIDTH}}  {value}" for name, value in (settings | others).items()))


_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "typical_p")
_NEUTRAL = {"temperature": 1.0, "top_k": 50, "top_p": 1.0, "typical_p": 1.0, "repetition_penalty": 1.0, "num_beams": 1}
"""What transformers takes where neither the settings nor the model name a value."""


def _effective(state: ChatState, name: str) -> tuple[str, str]:
    """Return the value of a setting that the next answer is generated with, and its source."""
    from llmkit.models.generation.settings import DEFAULT_MAX_NEW_TOKENS

    settings, model = state.llm.settings, state.model_defaults
    value = getattr(settings, name)
    if name in state.history.settings:
        return _shown(value), "this conversation"
    if value != type(settings).model_fields[name].default:
        return _shown(value), "configuration"
    if model is None:
        return "none", "the server's default, where it has one"
    if name == "temperature" and not state.is_sampling:
        return "0", "the model's default: always the likeliest token"
    if name in _SAMPLING and not state.is_sampling:
        return "none", "no effect while the likeliest token is always taken"
    of_model = name in (*_SAMPLING, *_NEUTRAL, "no_repeat_ngram_size")
    if of_model and (found := getattr(model, name, None)) is not None:
        return _shown(found), "the model"
    if name == "max_new_tokens":
        return _shown(min(model.max_new_tokens or DEFAULT_MAX_NEW_TOKENS, state.llm.context_window)), "default"
    return _shown(_NEUTRAL.get(name, value)), "default"


def explain_unused(state: ChatState) -> str:
    """Return a sentence about the settings of this conversation that have no effect, or nothing."""
    if state.is_sampling:
        return ""
    names = [name for name in ("seed", *_SAMPLING[1:]) if state.history.settings.get(name) is not None]
    what = f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'} no effect"
    return f"{what}: the likeliest token is always taken, unless temperature is above 0" if names else ""


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(to_json(text) for text in value) or "none"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _parse_value(name: str, text: str) -> Any:
    """Parse a value: a number, or for `stop` a text, a JSON string or a JSON list of strings."""
    if name == "stop":
        try:
            return json.loads(text) if text[0] in '["' else text
        except (ValueError, RecursionError) as error:
            example = 'a list is written ["a", "b"], and one text "a" or without quotation marks'
            raise SettingsError(
                f"stop is {text}, whose brackets or quotation marks are not closed: {example}"
            ) from error
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
