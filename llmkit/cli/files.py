"""Texts that commands read, and results that they write."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

from llmkit.cli import progress
from llmkit.errors import InputError, RunError


def read_text(name: str, *, quiet: bool = False) -> str:
    """Read a file, or standard input for `-`.

    Raises:
        InputError: it cannot be read, is empty, or is not text.
    """
    progress.tell_typing(name, quiet=quiet)
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from error
    what = "standard input" if name == "-" else name
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} is not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}") from error
    if "\0" in text:
        raise InputError(f"{what} is not text: it holds NUL bytes")
    if not text.strip():
        raise InputError(f"{what} is empty")
    return text.replace("\r\n", "\n")


def read_examples(path: Path | None) -> list[dict[str, Any]]:
    """Read solved examples, a JSON object with "input" and "output" a line; none without a file.

    Raises:
        InputError: the file cannot be read, or a line is not like that; says which.
    """
    found = []
    for number, line in enumerate(read_text(str(path)).split("\n") if path else (), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}, is not JSON: {error}") from error
        if not isinstance(value, dict) or not {"input", "output"} <= value.keys():
            raise InputError(f'{path}, line {number}, must be an object with "input" and "output"')
        found.append({"input": value["input"], "output": value["output"]})
    return found


def check_output(output: Path | None) -> None:
    """Tell before any work that a result could not be written.

    Raises:
        InputError: the file's folder is not there.
    """
    if output and not output.parent.is_dir():
        raise InputError(f"{output} cannot be written: there is no folder {output.parent}")


def read_input(name: str, output: Path | None, *, quiet: bool = False) -> str:
    """Read the text that a command works on, if its result can be written."""
    check_output(output)
    return read_text(name, quiet=quiet)


def write(text: str, output: Path | None) -> None:
    """Print a result, or write it to a file, which is then there in whole or not at all.

    Raises:
        RunError: the file cannot be written.
    """
    if output is None:
        typer.echo(text)
        return
    part = output.with_name(f".{output.name}.part")
    try:
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(output)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RunError(f"{output} cannot be written: {error.strerror}") from error
