"""Commands on how answers are generated."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llmkit.cli.chat import window
from llmkit.cli.chat.conversation.history import TRIMS, trim
from llmkit.cli.chat.events import Event, Note, Output
from llmkit.errors import InputError, SettingsError

if TYPE_CHECKING:
    from llmkit.cli.chat.session import Session


MEANINGS = {
    "max_new_tokens": "the most tokens of an answer: 1 or more",
    "min_new_tokens": "the fewest tokens of an answer: 0 or more",
    "temperature": "0 takes the likeliest token, more is more varied: 0 to 100",
    "top_k": "draw from so many of the likeliest tokens: 0, from all, or more",
    "top_p": "draw from the likeliest tokens that together reach this probability: above 0, to 1",
    "min_p": "drop tokens less likely than this share of the likeliest one: 0 to 1",
    "typical_p": "draw from locally typical tokens of this mass: above 0, to 1",
    "repetition_penalty": "above 1 against tokens that occurred, below 1 for them: 1 is none",
    "no_repeat_ngram_size": "no sequence of so many tokens occurs twice: 0, no limit, or more",
    "num_beams": "beams of beam search: 1, none, or more",
    "length_penalty": "above 0 beams for longer answers, below 0 for shorter ones: -100 to 100",
    "stop": 'what ends an answer: a text as it stands, or JSON: "\\n" is a line end, ["a", "b"] are two texts',
    "seed": "makes chance repeatable: 0 or more",
    "n": "answers to a message: 1",
    "presence_penalty": "against tokens that the answer has: -2 to 2",
    "frequency_penalty": "against them once for each time that it has them: -2 to 2",
    "trim": "where the window is full, the oldest turns are left out, or become a summary: oldest or summarize",
}
"""All settings, those of generation and `trim`, and what they may be."""


def set_(session: Session, argument: str) -> Iterator[Event]:
    """Change a setting, or put it back."""
    name, _, text = argument.partition(" ")
    text = text.strip()
    if name not in MEANINGS:
        near = difflib.get_close_matches(name, MEANINGS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(MEANINGS)}"
        raise InputError(f"there is no setting {name!r}: {hint}" if name else f"/set needs a name: {hint}")
    if name == "trim":
        if text and text not in TRIMS:
            raise SettingsError(f"trim is {text!r}, but must be oldest or summarize")
        session.change({"do": "set", "name": name, "value": text or None})
        yield Note(f"trim is {trim(session.history)}")
        return
    value = _value(name, text) if text else None
    if name == "n" and value not in (1, None):
        raise SettingsError(f"n is {value!r}, but a message of a chat has one answer")
    holds = value if text else getattr(session.settings, name)
    chosen = session.llm.settings.override(**{name: holds})
    if name == "max_new_tokens" and value:
        window.check_system(session.llm, session.history.system, value)
    session.llm.settings = chosen
    session.change({"do": "set", "name": name, "value": value})
    yield Note(f"{name} is {_told(getattr(session.llm.settings, name))}")


def show(session: Session, argument: str) -> Iterator[Event]:
    """Show all settings, and what else holds."""
    from llmkit.models.generation.settings import NAMES

    rows = {name: _told(getattr(session.llm.settings, name)) for name in NAMES}
    rows |= {
        "trim": trim(session.history),
        "model": f"{session.model}, {session.llm.context_window} tokens",
        "system": session.history.system or "none",
        "prompt": session.history.prompt or "none",
        "summary": " ".join(session.history.summary.split()) or "none",
        "attached": ", ".join(each.source for each in session.history.attached) or "nothing",
        "saved as": session.record.name or ("nothing yet" if session.record.keep else "not saved"),
    }
    width = max(map(len, rows))
    yield Output("\n".join(f"{name:{width}}  {value}" for name, value in rows.items()))


def _told(value: Any) -> str:
    if value is None:
        return "left to the model"
    if isinstance(value, tuple):
        return ", ".join(json.dumps(each, ensure_ascii=False) for each in value) or "none"
    return str(value)


def _value(name: str, text: str) -> Any:
    """Read a value: a number, or for `stop` a text, a JSON string or a JSON list of strings."""
    if name == "stop":
        try:
            return json.loads(text) if text[0] in '["' else text
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"stop is {text}, which is not JSON: {error}") from error
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
