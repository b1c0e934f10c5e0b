"""Options that commands share, under the names that the Python parameters have."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from llmkit.cli import console
from llmkit.errors import InputError
from llmkit.models import DEFAULT_MODEL
from llmkit.models.generation.ranges import RANGES
from llmkit.models.weights import catalog

if TYPE_CHECKING:
    from llmkit.models.chat import HuggingFaceChat
    from llmkit.models.generation.settings import GenerationSettings
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


def prompts_for(task: str) -> list[str]:
    """Return the prompt texts for a task, for completion."""
    from llmkit.prompts.library import read

    return [name for name in prompts() if read(name).get("task") == task]


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


def _setting(name: str, help_: str) -> Any:
    """Return the option of a generation setting, in the range that it has everywhere."""
    allowed = RANGES[name]
    help_ += "" if allowed.gt is None else f", above {allowed.gt:g}"
    return typer.Option(
        metavar="NUMBER", min=allowed.ge, max=allowed.le, help=f"{help_}."
    )  # typer has no bound that is left out


@dataclass(frozen=True)
class ModelOptions:
    """The model that a command uses, and the generation settings that were given."""

    model: Model = DEFAULT_MODEL
    context_window: ContextWindow = None
    max_new_tokens: Annotated[int | None, _setting("max_new_tokens", "The most tokens to generate")] = None
    temperature: Annotated[
        float | None, _setting("temperature", "0 always takes the likeliest token; more is more varied")
    ] = None
    top_k: Annotated[
        int | None, _setting("top_k", "Sample among this many of the likeliest tokens; 0 is all of them")
    ] = None
    top_p: Annotated[
        float | None, _setting("top_p", "Sample among the likeliest tokens that together have this probability")
    ] = None
    seed: Annotated[int | None, _setting("seed", "Makes sampling repeatable")] = None
    stop: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="End at this text; may be repeated.")] = None
    source_language: Annotated[
        str | None, typer.Option(metavar="CODE", help="What a translation model translates from, such as eng_Latn.")
    ] = None
    target_language: Annotated[
        str | None, typer.Option(metavar="CODE", help="What a translation model translates into, such as fra_Latn.")
    ] = None

    def settings(self) -> GenerationSettings:
        """Return the generation settings that were given, which are checked."""
        from llmkit.models.generation.settings import NAMES, GenerationSettings

        given = {name: value for name, value in vars(self).items() if name in NAMES and value not in (None, [], ())}
        return GenerationSettings().override(**given)

    def check(self) -> GenerationSettings:
        """Check the settings and the model's name, fetch the model if it is not here, and return the settings.

        Loads no torch, so that what is wrong is said at once.
        """
        settings = self.settings()
        if self.model in catalog.CATALOG and catalog.CATALOG[self.model].kind != "chat":
            raise InputError(f"{self.model} makes sentence embeddings and cannot generate text: see llmkit models")
        with console.progress(f"preparing {self.model}"):
            catalog.resolve(self.model)
        return settings

    def load(self) -> HuggingFaceChat:
        """Load the model."""
        settings = self.check()
        with console.progress(f"loading {self.model}"):
            from llmkit.models.chat import HuggingFaceChat

            return HuggingFaceChat(model=self.model, settings=settings, context_window=self.context_window or 0)


def with_model_options(**defaults: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace the parameter `model` of a command, of type `ModelOptions`, by an option for each of its fields.

    `defaults` are the defaults of this command that differ from those of `ModelOptions`.
    """
    keyword, hints = inspect.Parameter.KEYWORD_ONLY, get_type_hints(ModelOptions, include_extras=True)
    added = [
        inspect.Parameter(
            option.name, keyword, default=defaults.get(option.name, option.default), annotation=hints[option.name]
        )
        for option in fields(ModelOptions)
    ]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def run(**given: Any) -> Any:
            model = ModelOptions(**{option.name: given.pop(option.name) for option in added})
            model.settings()  # what is wrong is said before any work
            return command(model=model, **given)

        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            parameters += added if parameter.name == "model" else [parameter.replace(kind=keyword)]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def by_name(command: Any) -> dict[str, Any]:
    """Return the option objects of a typer command by name."""
    return {name_of(option): option for option in command.params if option.param_type_name == "option"}


def name_of(option: Any) -> str:
    """Return the name of an option object: `--max-new-tokens` is `max_new_tokens`."""
    return str(max(option.opts, key=len)).lstrip("-").replace("-", "_")


_OTHER_SEPARATOR = re.compile(r"\s*[;|\n\t，、；؛،]\s*")


def split_labels(labels: str, least: int = 1) -> list[str]:
    """Split the value of `--labels` at its commas.

    Raises:
        InputError: it has another separator and no comma, or only one label where `least` are needed.
    """
    names = [label.strip() for label in labels.split(",")] if labels.strip() else []
    if len(names) != 1:
        return names
    parts = [part for part in _OTHER_SEPARATOR.split(names[0]) if part]
    if len(parts) == 1 and len(names) < least:
        parts = parts[0].split()
    if len(parts) > 1:
        example = f"--labels {shlex.quote(','.join(parts))}"
        raise InputError(f"--labels {labels!r} is only one label: separate labels by commas, as in {example}")
    return names


def load_chain(name: str, model: ModelOptions, arguments: Mapping[str, Any]) -> Any:
    """Load a model and return the chain of `llmkit.chains` with this name over it."""
    llm = model.load()
    with console.progress("loading"):
        from llmkit import chains

        return getattr(chains, name)(llm, **arguments)


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
