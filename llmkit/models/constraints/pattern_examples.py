"""Short texts that match the regular expressions of a grammar, where the shortest end of a completion may lead."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from llmkit.errors import ConstraintError

_EXAMPLES, _LENGTH = 24, 200  # of one pattern, and characters of one example, at most
_MAX_SIZE = 20_000  # characters of one pattern with its repetitions written out, at most
_TYPICAL = "a0A_ -.@"

_parser: Any = importlib.import_module("re._parser")
_LARK_PATTERN = re.compile(r"/((?:[^/\\\n]|\\.)+)/")
_RUST_SYNTAX = (
    (r"\\p\{L[ul]\}|\\p\{L\}", "[a-zA-Z]"),
    (r"\\p\{N[d]?\}", "[0-9]"),
    (r"\(\?<(?=\w)", "(?P<"),
    (r"\\z", "$"),
)


def grammar_examples(grammar: str) -> list[str]:
    """Return short texts that match the patterns of a grammar, which is a JSON schema, Lark, or Lark with schemas."""
    return list(dict.fromkeys(text for pattern in _patterns(grammar) for text in examples(pattern)))


def check_sizes(grammar: str) -> None:
    """Raise `ConstraintError` for a pattern whose repetitions, written out, are so long that it takes seconds."""
    for pattern in _patterns(grammar):
        size = _size(tree) if (tree := _parse(pattern)) else 0
        if size > _MAX_SIZE:
            raise ConstraintError(
                f"the pattern {pattern!r} has {size} characters with its repetitions written out, but may have "
                f"{_MAX_SIZE}: make them fewer, or say a length with minLength and maxLength"
            )


def _patterns(grammar: str) -> list[str]:
    """Return the patterns of a grammar, in Lark or in JSON schemas."""
    patterns = dict.fromkeys(match[1].replace("\\/", "/") for match in _LARK_PATTERN.finditer(grammar))
    return list({**patterns, **dict.fromkeys(json_patterns(grammar))})


def _size(tree: Any) -> int:
    """Return the length of a pattern in which each repetition is written out."""
    total = 0
    for operation, argument in tree:
        match str(operation):
            case "BRANCH":
                total += sum(map(_size, argument[1]))
            case "SUBPATTERN":
                total += _size(argument[3])
            case "ATOMIC_GROUP":
                total += _size(argument)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, inner = argument
                total += _size(inner) * max(1, int(least), 0 if most == _parser.MAXREPEAT else int(most))
            case _:
                total += 1
    return total


def json_patterns(text: str) -> list[str]:
    """Return the patterns of strings and names of properties in JSON schemas, wherever they are in a text."""
    patterns = [json.loads(match[1]) for match in re.finditer(r'"pattern": *("(?:[^"\\]|\\.)*")', text)]
    for match in re.finditer(r'"patternProperties": *(?={)', text):
        patterns += json.JSONDecoder().raw_decode(text, match.end())[0]
    return list(dict.fromkeys(patterns))


def examples(pattern: str) -> list[str]:
    """Return texts that match a pattern, as short as may be: one for each branch; none if it cannot be parsed."""
    tree = _parse(pattern)
    found = sorted(set(_sequence(tree) if tree else []), key=lambda text: (len(text), text))
    return [text for text in found if 0 < len(text) <= _LENGTH][:_EXAMPLES]


def _parse(pattern: str) -> Any:
    """Return the tree of Python's parser; `None` if it cannot parse the pattern."""
    for rust, python in _RUST_SYNTAX:
        pattern = re.sub(rust, python, pattern)
    try:
        return _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError):
        return None


def _sequence(tree: Any) -> list[str]:
    """Combine the examples of parts in a row: each part's alternatives in turn, with the first ones of the others."""
    parts = [options for operation, argument in tree if (options := _part(str(operation), argument)) != [""]]
    if not all(parts):
        return []
    texts = ["".join(options[0] for options in parts)]
    for index, options in enumerate(parts):
        for option in options[1:_EXAMPLES]:
            chosen = [other[0] for other in parts]
            chosen[index] = option
            texts.append("".join(chosen)[: _LENGTH + 1])
    return texts


def _part(operation: str, argument: Any) -> list[str]:
    """Return examples of one node of the tree of Python's parser."""
    match operation:
        case "LITERAL":
            return [chr(argument)]
        case "NOT_LITERAL":
            return [next(one for one in _TYPICAL if ord(one) != argument)]
        case "ANY":
            return ["a"]
        case "IN":
            return _members(argument)
        case "BRANCH":
            return [text for branch in argument[1] for text in _sequence(branch)]
        case "SUBPATTERN":
            return _sequence(argument[3])
        case "ATOMIC_GROUP":
            return _sequence(argument)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, inner = argument
            once = _sequence(inner) if most else [""]
            fewest = [(text * min(least, _LENGTH + 1))[: _LENGTH + 1] for text in once]
            return fewest if least else ["", *once]
    return [""]  # an anchor, or what the compiler of the grammar refuses


def _members(items: Sequence[Any]) -> list[str]:
    """Return characters of a class: those that are typical, or else the first."""
    matches = [one for one in _TYPICAL if _in_class(ord(one), items)]
    return (matches or list(_named(items)))[:2]


def _in_class(code: int, items: Sequence[Any]) -> bool:
    negated, found = False, False
    for operation, argument in ((str(item[0]), item[1]) for item in items):
        if operation == "NEGATE":
            negated = True
        elif operation == "LITERAL":
            found |= code == argument
        elif operation == "RANGE":
            found |= argument[0] <= code <= argument[1]
        elif operation == "CATEGORY":
            found |= bool(re.match(_CATEGORIES.get(str(argument), r"(?!)"), chr(code)))
    return found != negated


_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


def _named(items: Sequence[Any]) -> Iterator[str]:
    for operation, argument in items:
        if str(operation) in ("LITERAL", "RANGE"):
            yield chr(argument if str(operation) == "LITERAL" else argument[0])
