"""Help that fits a narrow terminal: examples are divided between words, and their comments go to the next line."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

from typer.core import TyperCommand, TyperGroup

_VERBATIM = "\b\n"  # begins a paragraph whose lines stay as they are written
_WORD = re.compile(r"""(?:"[^"]*"|'[^']*'|\S)+""")  # of a shell command
_CONTINUED = "    "
_DEFAULT_IN_BRACKETS = re.compile(r"(\bdefault:\s+)\(([^)]*)\)")  # as typer writes a default in words


class _FittedHelp:
    """Writes the help of a command or group."""

    help: str | None

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write the text between the usage and the options."""
        text = inspect.cleandoc(self.help or "").partition("\f")[0]
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(fit(text, formatter.width - formatter.current_indent))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options; a default in words has no brackets within those around it."""
        start = len(formatter.buffer)
        super().format_options(ctx, formatter)  # type: ignore[misc]
        formatter.buffer[start:] = [_DEFAULT_IN_BRACKETS.sub(r"\1\2", "".join(formatter.buffer[start:]))]


class FittedCommand(_FittedHelp, TyperCommand):
    """A command whose help fits the terminal."""


_INSTEAD = {
    "models": dict.fromkeys(("list", "ls"), "llmkit models lists them")
    | dict.fromkeys(("download", "get", "add", "install"), "llmkit models pull NAME downloads one")
    | dict.fromkeys(("rm", "delete", "uninstall"), "llmkit models remove NAME deletes one")
    | dict.fromkeys(("info", "inspect"), "llmkit models show NAME"),
    "prompts": dict.fromkeys(("list", "ls"), "llmkit prompts lists them")
    | dict.fromkeys(("get", "cat", "print"), "llmkit prompts show NAME prints one"),
    "config": dict.fromkeys(("set", "unset", "edit"), "edit the file whose path llmkit config path prints")
    | dict.fromkeys(("get", "list", "ls", "show"), "llmkit config shows all values"),
}
"""What does what a command does that other programs have."""


class FittedGroup(_FittedHelp, TyperGroup):
    """A group of commands whose help fits the terminal."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; the error of one that other programs have says what to use."""
        if args[0] not in self.commands and (advice := _INSTEAD.get(str(ctx.info_name), {}).get(args[0])):
            ctx.fail(f"there is no command {args[0]!r}: {advice}")
        return super().resolve_command(ctx, args)


def fit(text: str, width: int) -> str:
    """Return a text in which no line of a verbatim paragraph is longer than `width`, if its words allow that."""
    paragraphs = text.split("\n\n")
    for index, paragraph in enumerate(paragraphs):
        if paragraph.startswith(_VERBATIM):
            lines = [part for line in paragraph.split("\n")[1:] for part in _fit_line(line, width)]
            paragraphs[index] = _VERBATIM + "\n".join(lines)
    return "\n\n".join(paragraphs)


def _fit_line(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    command, *comments = re.split(r"\s{2,}", line.strip(), maxsplit=1)
    rows, row = list[str](), indent
    for word in _WORD.findall(command):
        if row.strip() and len(row) + len(word) + 3 > width:  # a space, and a backslash behind a space
            rows.append(f"{row} \\")
            row = indent + _CONTINUED
        row += f" {word}" if row.strip() else word
    start = indent + _CONTINUED
    comment = "".join(text if text.startswith("#") else f"# {text}" for text in comments)
    wrapped = textwrap.wrap(comment, width, initial_indent=start, subsequent_indent=f"{start}# ")
    return [*rows, row, *wrapped]
