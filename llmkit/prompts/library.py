"""Prompt texts as files: Markdown with a small front matter, read as data and never run.

    ---
    description: Says what the prompt is for.
    input_label: Dialogue
    fields: max_words
    example: {"input": "…", "output": "…"}
    ---
    The instruction, with {max_words} where a field stands.

A value is the rest of its line; one that begins with a quotation mark is a JSON string. There may be any
number of examples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llmkit.errors import PromptError

FOLDER = Path(__file__).parent
MAX_BYTES = 1_000_000
TEXTS = ("description", "input_label", "question", "output_label", "output_start", "layout", "most_relevant")
KEYS = (*TEXTS, "fields", "example")


def list_prompts() -> list[str]:
    """Give the names of the prompt texts that ship with llmkit."""
    inside = FOLDER.resolve()  # a link that leads elsewhere is none of them
    return sorted(path.stem for path in FOLDER.glob("*.md") if path.resolve().parent == inside)


def read(name: str | Path) -> dict[str, Any]:
    """Give the parts of a prompt text: a string names one that ships with llmkit, a `Path` leads to any file.

    So a name, wherever it comes from, never reaches a file outside llmkit's own folder.

    Raises:
        PromptError: there is no such prompt text, or it is damaged.
    """
    path = name if isinstance(name, Path) else FOLDER / f"{_known(name)}.md"
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PromptError(f"prompt text {str(path)!r} cannot be read: {_reason(error)}") from error
    if len(data) > MAX_BYTES:
        raise PromptError(f"prompt text {str(path)!r} is larger than {MAX_BYTES:,} bytes")
    try:
        return parse(data.decode())
    except UnicodeDecodeError as error:
        raise PromptError(f"prompt text {str(path)!r} is not UTF-8: {error.reason} at byte {error.start}") from error
    except PromptError as error:
        raise PromptError(f"prompt text {str(path)!r}: {error}") from error


def write(path: Path, text: str) -> None:
    """Write a prompt text, as UTF-8 with plain line ends.

    Raises:
        PromptError: the file cannot be written.
    """
    try:
        path.write_bytes(text.encode())
    except (OSError, ValueError) as error:
        raise PromptError(f"prompt text {str(path)!r} cannot be written: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _known(name: str) -> str:
    known = list_prompts()
    if name not in known:
        there = ", ".join(known)
        raise PromptError(f"no prompt text is called {name!r}: there are {there}; for a file, give a pathlib.Path")
    return name


def parse(text: str) -> dict[str, Any]:
    """Give the parts of a prompt text: the keys of its front matter, `examples` and `instruction`.

    Raises:
        PromptError: names the line that is wrong.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != "---":
        raise PromptError("line 1 must be ---, the beginning of the front matter")
    parts: dict[str, Any] = {"examples": []}
    for number, line in enumerate(lines[1:], 2):
        if line.rstrip() == "---":
            return parts | {"instruction": "\n".join(lines[number:])}
        if line.strip():
            _take(parts, line, number)
    raise PromptError("the front matter has no end: put a line --- after it")


def _take(parts: dict[str, Any], line: str, number: int) -> None:
    key, colon, value = (part.strip() for part in line.partition(":"))
    if not colon or key not in KEYS:
        raise PromptError(f"line {number} must be 'key: value' with one of the keys {', '.join(KEYS)}")
    if key != "example" and key in parts:
        raise PromptError(f"line {number} gives {key} a second time")
    if key == "fields":
        parts[key] = tuple(name.strip() for name in value.split(",") if name.strip())
        return
    data = value
    if key == "example" or value.startswith('"'):
        try:
            data = json.loads(value)
        except (json.JSONDecodeError, RecursionError) as error:
            raise PromptError(f"line {number} is not JSON: {error}") from error
    if key == "example":
        parts["examples"].append(data)
    elif isinstance(data, str):
        parts[key] = data


def dump(texts: Mapping[str, str], fields: Sequence[str], examples: Sequence[Any], instruction: str) -> str:
    """Give the prompt text that `parse` reads back as the same parts; empty ones are left out."""
    lines = [f"{key}: {_plain(texts[key])}" for key in TEXTS if texts.get(key)]
    lines += [f"fields: {', '.join(fields)}"] if fields else []
    lines += [f"example: {json.dumps(example, ensure_ascii=False)}" for example in examples]
    body = [instruction, ""] if instruction else [""]
    return "\n".join(["---", *lines, "---", *body])


def _plain(value: str) -> str:
    simple = value == value.strip() and value.isprintable() and not value.startswith('"')
    return value if simple else json.dumps(value)
