"""The lines of a conversation's file: a change each, as JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from llmkit.cli.chat.conversation.history import Change, History, applied


def to_line(change: Change) -> bytes:
    """Give the line of a change."""
    # Half a surrogate pair is no UTF-8; what a person typed comes back as it was all the same.
    return json.dumps(change, ensure_ascii=False).encode(errors="surrogatepass") + b"\n"


def read(data: bytes) -> tuple[History, int, list[str]]:
    """Give the conversation, the length of the lines that are whole, and what is wrong with others."""
    history, notes = History(), []
    *lines, tail = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            history = applied(history, _parsed(line))
        except ValueError as error:
            notes.append(f"line {number}, is passed over: {error}")
    whole = len(data) - len(tail)
    with suppress(ValueError):  # all but the line end of the last line may have been written
        history = applied(history, _parsed(tail))
        whole = len(data)
    return history, whole, notes


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode(errors="surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def reopened(path: Path, data: bytes, whole: int) -> BinaryIO:
    """Open a file for more lines, its torn last one cut off."""
    file = path.open("r+b")
    file.truncate(whole)
    file.seek(whole)
    if whole and data[whole - 1 : whole] != b"\n":
        file.write(b"\n")
        file.flush()
    return file
