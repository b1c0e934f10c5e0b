"""Messages name options as they are typed: `--max-new-tokens`, where the library says `max_new_tokens`."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable
from typing import Any

_known: set[str] = set()
_NOT_IN_A_NAME = r"(?<![\w./\\'\"-])"
_NOT_GOING_ON = r"(?![\w/\\'\"]|\.\w)"
_PARAMETER_AND_OPTION = re.compile(_NOT_IN_A_NAME + r"[a-z_]+=\w+ \((--[a-z-]+)\)")
_TEXT = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_LITERAL = rf"{_TEXT}|\{{(?:{_TEXT}|[^{{}}'\"])*\}}|\[(?:{_TEXT}|[^\[\]'\"])*\]"
"""A text, a dictionary or a list, as Python writes them."""
_LOWER_TOKENS = re.compile(r", lower max_new_tokens(?=, or )|\blower max_new_tokens, or ")


_HEAD = re.compile(
    r"which has no (?P<lacks>[a-z_]+|text generation)(?P<why>, which [^:]+ needs)?"
    r": it does (?P<does>[a-z_]+ \([^()]*\).*)"
)
_COMMANDS = {"label_scores": "llmkit classify", "span_scores": "llmkit entities", "answer_spans": "llmkit ask"}
"""The commands that use each method of an encoder."""
_PHRASES = {
    "HuggingFaceEncoder takes this one, and the chains take that": "use it with llmkit classify, entities or ask",
    "HuggingFaceEncoder takes this one, if": "llmkit classify takes this one, if",
    "or use HuggingFaceEncoder": "or use it with llmkit classify",
    "which HuggingFaceEncoder ": "which llmkit ",
    "HuggingFaceEncoder is no language model": "--model is no language model",
}
"""What messages about encoders mean at a command line."""


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
    text = _HEAD.sub(_commands, text)
    for phrase, typed in _PHRASES.items():
        text = text.replace(phrase, typed)
    long, short = (_alternatives(name for name in _known if ("_" in name) is has) for has in (True, False))
    text = re.sub(rf"{_NOT_IN_A_NAME}({long}|{short}(?==)){_NOT_GOING_ON}(=(?:{_LITERAL}|[^\s,;:]*))?", _option, text)
    return re.sub(rf"\A({short})(?= (?:is|has) )", lambda found: _flag(found[1]), text)


def _commands(found: re.Match[str]) -> str:
    """Return what an encoder's head is for in terms of commands, where the library names methods and chains."""
    command = _COMMANDS.get(found["lacks"])
    does = " and ".join(command for name, command in _COMMANDS.items() if name in found["does"])
    cannot = f"which {command} cannot use" if command else "which generates no text"
    return f"{cannot}{found['why'] or ''}" + (f": it is for {does}" if does else "")


def _alternatives(names: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(names, key=len, reverse=True)) or '(?!)'})"


def _option(found: re.Match[str]) -> str:
    value = (found[2] or "").removeprefix("=")
    if value in ("True", "False"):
        return _flag(found[1] if value == "True" else f"no_{found[1]}")
    if value[:1] not in ("'", '"', "{", "["):
        return f"{_flag(found[1])} {value}".rstrip()
    return " ".join(f"{_flag(found[1])} {shlex.quote(word)}" for word in _words(value))


def _words(literal: str) -> list[str]:
    """Return what is typed for a text, a dictionary (`key=value` for each item) or a list, as Python writes them."""
    try:
        value: Any = ast.literal_eval(literal)
    except (SyntaxError, ValueError):
        return [literal.strip("'\"")]
    if isinstance(value, dict):
        return [f"{key}={item}" for key, item in value.items()]
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
