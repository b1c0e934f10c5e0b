"""Options that commands share, under the names that the Python parameters have."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from llmkit.cli import completion as completing
from llmkit.cli import progress
from llmkit.errors import InputError
from llmkit.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from llmkit.models.chat import HuggingFaceChat
    from llmkit.models.generation.settings import GenerationSettings
    from llmkit.prompts import TaskPrompt

EPILOG = "--debug shows the traceback of an error. llmkit config --help: how options are set once for all."
"""Stands below the help of each command."""

Model = Annotated[
    str,
    typer.Option(
        help="A key of `llmkit models`, a folder, a .gguf file or a Hugging Face id.",
        autocompletion=completing.chat_models,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet/--no-quiet", "-q", help="No progress and no notes on stderr, only errors.", show_default=False
    ),
]
Lines = Annotated[
    bool,
    typer.Option(
        "--lines",
        help='A document a line in: plain text or, where it begins with {, JSON: {"text": …, "id": …}, "id" as you '
        'like. A JSON object a line out, in order: {"line": number, "id": …, the fields of --json}, or '
        '{"line": number, "error": …} for a document that fails; then the exit code is 1.',
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(help="Write to this file; with --lines, the same command goes on where a run broke off."),
]

AllowPrivate = Annotated[
    bool, typer.Option("--allow-private", help="Also read pages of this machine and of private networks.")
]
IgnoreRobots = Annotated[
    bool, typer.Option("--ignore-robots", help="Read a page even if its site asks programs not to.")
]


@dataclass(frozen=True)
class ModelOptions:
    """Which model a command is to use, and the generation settings that were given; a command's parameter.

    `takes_model` puts an option for each field in its place.
    """

    model: Model = DEFAULT_MODEL
    max_new_tokens: Annotated[int | None, typer.Option(help="The most tokens that an answer may have.")] = None
    temperature: Annotated[float | None, typer.Option(help="0 takes the likeliest token; more is more varied.")] = None
    top_k: Annotated[int | None, typer.Option(help="Choose among so many of the likeliest tokens.")] = None
    top_p: Annotated[float | None, typer.Option(help="Choose among the tokens that reach this probability.")] = None
    seed: Annotated[int | None, typer.Option(help="Makes chance repeatable.")] = None
    stop: Annotated[list[str] | None, typer.Option(help="A text that ends an answer; may be repeated.")] = None

    def check(self, *, quiet: bool = False) -> GenerationSettings:
        """Give the settings; what is wrong with them or with the model's name is told here, before torch is loaded."""
        from llmkit.models.generation.settings import GenerationSettings
        from llmkit.models.weights.catalog import CATALOG, resolve

        given = {name: value for name, value in vars(self).items() if name != "model" and value not in (None, [], ())}
        settings = GenerationSettings().override(**given)
        if self.model in CATALOG and CATALOG[self.model].kind != "chat":
            raise InputError(f"{self.model} gives sentence embeddings, and writes nothing: see llmkit models")
        with progress.hushed(quiet), progress.waiting(f"preparing {self.model}", quiet=quiet):
            resolve(self.model)
        return settings

    def load(self, *, quiet: bool = False) -> HuggingFaceChat:
        """Load the model, and say so on a terminal."""
        # Threads that wait busily starve each other where another program computes too (2 tokens a second instead of
        # 28), and those that sleep at once are slow everywhere (33 instead of 45): so they wait busily, but briefly.
        if "OMP_WAIT_POLICY" not in os.environ:
            os.environ.setdefault("GOMP_SPINCOUNT", "1000")
        settings = self.check(quiet=quiet)
        with progress.hushed(quiet), progress.waiting(f"loading {self.model}"):
            from llmkit.models.chat import HuggingFaceChat

            return HuggingFaceChat(model=self.model, settings=settings)


def listed(labels: str) -> list[str]:
    """Give the labels of an option, which has commas between them."""
    return [label.strip() for label in labels.split(",")] if labels.strip() else []


def load_chain(name: str, model: ModelOptions, chosen: Mapping[str, Any], *, quiet: bool) -> Any:
    """Load a model, and give the chain of `llmkit.chains` that has this name over it, with these arguments."""
    llm = model.load(quiet=quiet)
    with progress.waiting("loading", quiet=quiet):
        from llmkit import chains

        return getattr(chains, name)(llm, **chosen)


def takes_model(**defaults: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put the options of `ModelOptions` in the place of a command's parameter of that type, with these defaults."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(command, eval_str=True)
        [place] = [name for name, each in signature.parameters.items() if each.annotation is ModelOptions]
        hints = get_type_hints(ModelOptions, localns={"GenerationSettings": Any}, include_extras=True)
        own = [
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults.get(each.name, each.default),
                annotation=hints[each.name],
            )
            for each in fields(ModelOptions)
        ]

        @wraps(command)
        def run(**given: Any) -> Any:
            chosen = ModelOptions(**{each.name: given.pop(each.name) for each in own})
            return command(**given, **{place: chosen})

        shown: list[inspect.Parameter] = []
        for name, each in signature.parameters.items():
            shown += own if name == place else [each.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
        run.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in shown}
        return run

    return decorate


def load_prompt(name: str, filled: Sequence[str] | None = None) -> TaskPrompt:
    """Read one of llmkit's prompt texts, of whose fields the command can fill these; without them, any.

    Raises:
        InputError: there is none of this name, or it has further fields.
    """
    from llmkit.prompts.library import list_prompts

    if name not in list_prompts():
        raise InputError(f"no prompt is called {name!r}: see llmkit prompts")
    from llmkit.prompts import TaskPrompt

    prompt = TaskPrompt.load(name)
    if filled is not None and (left := [field for field in prompt.fields if field not in filled]):
        raise InputError(f"the prompt {name} has fields that this command cannot fill: {', '.join(left)}")
    return prompt
