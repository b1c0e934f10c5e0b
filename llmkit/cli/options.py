"""Options that commands share, under the names that the Python parameters have."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import console
from llmkit.errors import InputError
from llmkit.models.weights import catalog

if TYPE_CHECKING:
    from llmkit.prompts import TaskPrompt
    from llmkit.prompts.prompt import Task

EPILOG = "--debug shows the traceback of an error. llmkit config --help: how to set options for all runs."
"""Ends the help of each command."""


def chat_models() -> list[str]:
    """Return the catalog's models that generate text, for completion."""
    return [name for name, entry in catalog.CATALOG.items() if entry.kind == "chat"]


def prompts() -> list[str]:
    """Return the prompt texts that ship with llmkit, for completion."""
    from llmkit.prompts.library import list_prompts

    return list_prompts()


def prompt_for(task: str) -> Any:
    """Return the option that names a prompt text for a task."""

    def complete() -> list[str]:
        from llmkit.prompts.library import read

        return [name for name in prompts() if read(name).get("task") == task]

    return typer.Option(metavar="NAME", help=f"A prompt for {task}, one of `llmkit prompts`.", autocompletion=complete)


switch = partial(typer.Option, show_default=False)
"""An option with its opposite, `--quiet/--no-quiet`, whose default the help need not show."""
Text = Annotated[str, typer.Argument(metavar="FILE", help="A file with text, or - for standard input.")]
Model = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="A name from `llmkit models`, a folder, a .gguf file or a Hugging Face id.",
        autocompletion=chat_models,
    ),
]
ContextWindow = Annotated[
    int | None,
    typer.Option(
        metavar="TOKENS",
        min=1,
        help="The most tokens of a prompt and its completion; needed for a model that states no context window.",
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Use a model that a server runs: the address of its OpenAI-compatible API, such as "
        "http://127.0.0.1:8000/v1. --model is then the server's name for it; a key is LLMKIT_API_KEY.",
    ),
]
Tokenizer = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The name or the folder of the model that the server runs, if --model is neither.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_QUIET = "Show no progress and no notes, only warnings and errors."
Quiet = Annotated[bool, switch("--quiet/--no-quiet", "-q", help=_QUIET, callback=console.set_quiet)]
Lines = Annotated[
    bool,
    typer.Option(
        "--lines",
        help='Read a document a line: text, or JSON such as {"text": "…", "id": 7}. Write a JSON object a line, in '
        'the same order: {"line": 1, "id": 7, …} with the fields of --json, or {"line": 1, "error": "…"}.',
    ),
]
_ENDINGS = "Write to this file, in the format of its ending: .csv, .tsv, .json, .jsonl, .md, .parquet or .txt."
OutputFile = Annotated[Path | None, typer.Option("--output", metavar="FILE", help=_ENDINGS)]
Output = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help=f"{_ENDINGS} With --lines, the same command continues an interrupted run."),
]
AllowPrivate = Annotated[
    bool, typer.Option("--allow-private", help="Also read pages of this machine and of private networks.")
]
IgnoreRobots = Annotated[
    bool, typer.Option("--ignore-robots", help="Read a page even if its site's robots.txt asks programs not to.")
]


def by_name(command: Any) -> dict[str, Any]:
    """Return the option objects of a typer command by name."""
    return {name_of(option): option for option in command.params if option.param_type_name == "option"}


def name_of(option: Any) -> str:
    """Return the name of an option object: `--max-new-tokens` is `max_new_tokens`."""
    return str(max(option.opts, key=len)).lstrip("-").replace("-", "_")


_OTHER_SEPARATOR = re.compile(r"\s*[;|\n\t，、；؛،]\s*")


def split_labels(labels: str, least: int = 1) -> list[str]:
    """Split the value of `--labels` at its commas; a label in quotation marks may have some, as in CSV.

    Raises:
        InputError: it has another separator and no comma, or only one label where `least` are needed.
    """
    names = [label.strip() for label in _split_quoted(labels)] if labels.strip() else []
    if len(names) != 1:
        return names
    parts = [part for part in _OTHER_SEPARATOR.split(names[0]) if part]
    if len(parts) == 1 and len(names) < least:
        parts = parts[0].split()
    if len(parts) > 1:
        example = f"--labels {shlex.quote(','.join(parts))}"
        raise InputError(f"--labels {labels!r} is only one label: separate labels by commas, as in {example}")
    return names


def join_labels(labels: Sequence[str]) -> str:
    """Return labels as one value of `--labels`."""
    if not any(set(label) & set(',"') for label in labels):
        return ",".join(labels)
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="").writerow(labels)
    return text.getvalue()


def _split_quoted(labels: str) -> list[str]:
    try:
        return next(csv.reader([labels], strict=True, skipinitialspace=True))
    except csv.Error:  # the quotation marks are part of labels
        return labels.split(",")


def load_prompt(name: str, task: Task | None = None, fields: Sequence[str] = ()) -> TaskPrompt:
    """Load one of llmkit's prompt texts.

    For a command, its task, the prompt must be for that, and have only fields that the command can fill.
    """
    if name not in prompts():
        raise InputError(f"no prompt is called {name!r}: see llmkit prompts")
    from llmkit.prompts import TaskPrompt

    prompt = TaskPrompt.load(name)
    if task is None:
        return prompt
    prompt.check_task(task)
    if others := [field for field in prompt.fields if field not in fields]:
        raise InputError(f"the prompt {name} has fields that this command cannot fill: {', '.join(others)}")
    return prompt
