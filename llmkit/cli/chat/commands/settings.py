"""Commands on how answers are generated."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llmkit.cli.chat.conversation.history import TRIMS, trim
from llmkit.cli.chat.events import Event, Note, Output
from llmkit.errors import InputError, SettingsError

if TYPE_CHECKING:
    from llmkit.cli.chat.session import Session


def names() -> tuple[str, ...]:
    """Give the names of all settings: those of generation, and `trim`."""
    from llmkit.models.settings import NAMES

    return (*NAMES, "trim")


def set_(session: Session, argument: str) -> Iterator[Event]:
    """Change a setting, or put it back."""
    name, _, text = argument.partition(" ")
    text = text.strip()
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(names())}"
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
    session.llm.settings = session.llm.settings.override(**{name: holds})
    session.change({"do": "set", "name": name, "value": value})
    yield Note(f"{name} is {_told(getattr(session.llm.settings, name))}")


def show(session: Session, argument: str) -> Iterator[Event]:
    """Show all settings, and what else holds."""
    from llmkit.models.settings import NAMES

    rows = {name: _told(getattr(session.llm.settings, name)) for name in NAMES}
    rows |= {
        "trim": trim(session.history),
        "model": f"{session.model}, {session.llm.context_window} tokens",
        "system": session.history.system or "none",
        "prompt": session.history.prompt or "none",
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
