"""Prompt texts as files: Markdown with YAML front matter, read as data and never run.

    ---
    description: Says what the prompt does.
    task: summarize
    input_label: Dialogue
    fields: [max_words]
    examples: [{input: …, output: …}]
    ---
    The instruction, with {max_words} where a field is.

The keys are the arguments of `TaskPrompt`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from llmkit.errors import PromptError
from llmkit.pipes import open_input
from llmkit.regular_files import reason

FOLDER = Path(__file__).parent
MAX_BYTES = 1_000_000
KEYS = (
    *("description", "task", "input_label", "question", "output_label", "output_start"),
    *("layout", "example_order", "fields", "examples"),
)


def list_prompts() -> list[str]:
    """Return the names of the prompt texts that ship with llmkit."""
    inside = FOLDER.resolve()  # a link that leads elsewhere is none of them
    return sorted(path.stem for path in FOLDER.glob("*.md") if path.resolve().parent == inside)


def read(name: str | Path) -> dict[str, Any]:
    """Read a prompt text: a string names one that ships with llmkit, a `Path` leads to any file.

    So a name, wherever it comes from, never reaches a file outside llmkit's folder. Returns what `parse` returns.

    Raises:
        PromptError: there is no such prompt text, or it is damaged.
    """
    if not isinstance(name, Path) and name not in (known := list_prompts()):
        raise PromptError(
            f"no prompt text is called {name!r}: there are {', '.join(known)}; to load a file of your own, pass a Path"
        )
    path = name if isinstance(name, Path) else FOLDER / f"{name}.md"
    try:
        with open_input(path) as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PromptError(f"prompt text {str(path)!r} cannot be read: {reason(error)}") from error
    if len(data) > MAX_BYTES:
        raise PromptError(f"prompt text {str(path)!r} is larger than {MAX_BYTES:,} bytes")
    try:
        return parse(data.decode())
    except UnicodeDecodeError as error:
        raise PromptError(f"prompt text {str(path)!r} is not UTF-8: {error.reason} at byte {error.start}") from error
    except PromptError as error:
        raise PromptError(f"prompt text {str(path)!r}: {error}") from error


def write(path: Path, text: str) -> None:
    """Write a prompt text, as UTF-8 with plain line ends."""
    try:
        path.write_bytes(text.encode())
    except (OSError, ValueError) as error:
        raise PromptError(f"prompt text {str(path)!r} cannot be written: {reason(error)}") from error


def parse(text: str) -> dict[str, Any]:
    """Split a prompt text into the values of its front matter and its `instruction`.

    Raises:
        PromptError: the front matter is missing, is not YAML, or has a key that is unknown or given twice.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != "---":
        raise PromptError("line 1 must be ---, the beginning of the front matter")
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        raise PromptError("the front matter has no end: put a line --- after it")
    try:
        values = yaml.load("\n".join(["", *lines[1:end], ""]), _Loader) or {}
    except (yaml.YAMLError, RecursionError) as error:
        raise PromptError(f"the front matter is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or (unknown := [key for key in values if key not in KEYS]):
        wrong = f"has the unknown key {unknown[0]!r}" if isinstance(values, dict) else "is not a mapping"
        raise PromptError(f"the front matter {wrong}: write 'key: value' with the keys {', '.join(KEYS)}")
    for key, value in values.items():
        if key not in ("fields", "examples") and not isinstance(value, str):
            raise PromptError(f"{key} is not text: put quotes around a value that begins with a bracket or a brace")
    return {**values, "instruction": "\n".join(lines[end + 1 :])}


def dump(values: dict[str, Any], instruction: str) -> str:
    """Return the prompt text that `parse` reads back as the same values."""
    front = yaml.dump(values, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120) if values else ""
    return f"---\n{front}---\n{instruction}" + ("\n" if instruction else "")


class _Loader(yaml.BaseLoader):
    """Reads every scalar as text, so that `output: 1821` needs no quotes; refuses a key that is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                line = node.value[place][0].start_mark.line + 1
                raise PromptError(f"line {line} gives {key!r} a second time")
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes text of more than one line as a block, where YAML allows that."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    lines = text.split("\n")
    block = "|" if len(lines) > 1 else None
    style = block if all(map(str.isprintable, lines)) else '"'  # with escapes
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
