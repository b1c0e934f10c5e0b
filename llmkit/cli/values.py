"""What values an option may have, for typer's own option objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def wanted(option: Any) -> str:
    """Say what values an option may have."""
    kind, choices = option.type_descriptor.annotation, option.type_descriptor.choices
    if choices:
        return f"one of {', '.join(map(repr, choices))}"
    said = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "a text")
    low, high = option.min, option.max
    if low is None:
        return said if high is None else f"{said} of at most {high}"
    return f"{said} of at least {low}" if high is None else f"{said} between {low} and {high}"


def fits(option: Any, value: Any) -> bool:
    """Tell whether an option may have a value, which must be of its very type."""
    kind, choices = option.type_descriptor.annotation, option.type_descriptor.choices
    if choices:
        return value in choices
    if kind not in (int, float):
        return isinstance(value, bool if kind is bool else str)
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        return False
    return (option.min is None or value >= option.min) and (option.max is None or value <= option.max)


def from_text(option: Any, said: str) -> Any:
    """Read a text as the option's type; what cannot be read so stays as it is, and does not fit."""
    known = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)
    readers: Mapping[Any, Callable[[str], Any]] = {
        bool: lambda text: known.get(text.lower(), text),
        int: int,
        float: float,
        list[str]: lambda text: [text],
    }
    try:
        return readers.get(option.type_descriptor.annotation, str)(said)
    except ValueError:
        return said
