"""Messages name options as they are typed: `--max-new-tokens`, where the library says `max_new_tokens`."""

from __future__ import annotations

import re
from collections.abc import Iterable

_known: set[str] = set()
_NOT_IN_A_NAME = r"(?<![\w./\\'\"-])"
_NOT_GOING_ON = r"(?![\w/\\'\"]|\.\w)"
_PARAMETER_AND_OPTION = re.compile(_NOT_IN_A_NAME + r"[a-z_]+=\w+ \((--[a-z-]+)\)")
_LOWER_TOKENS = re.compile(r", lower max_new_tokens(?=, or )|\blower max_new_tokens, or ")


def use(names: Iterable[str]) -> None:
    """Choose the options of the running command, by the names of their parameters."""
    _known.clear()
    _known.update(names)


def as_typed(text: str) -> str:
    """Return a message with the options of the running command as they are typed.

    A name of one word, such as `stop`, may be plain English: it is an option where a value is given or complained of.
    """
    text = _PARAMETER_AND_OPTION.sub(r"\1", text)
    if not _known:
        return text
    if "max_new_tokens" not in _known:
        text = _LOWER_TOKENS.sub("", text)
    long, short = (_alternatives(name for name in _known if ("_" in name) is has) for has in (True, False))
    text = re.sub(rf"{_NOT_IN_A_NAME}({long}|{short}(?==)){_NOT_GOING_ON}(=[^\s,;:]*)?", _option, text)
    return re.sub(rf"\A({short})(?= (?:is|has) )", lambda found: _flag(found[1]), text)


def _alternatives(names: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(names, key=len, reverse=True)) or '(?!)'})"


def _option(found: re.Match[str]) -> str:
    value = (found[2] or "").removeprefix("=").strip("'\"")
    if value in ("True", "False"):
        return _flag(found[1] if value == "True" else f"no_{found[1]}")
    return f"{_flag(found[1])} {value}".rstrip()


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
