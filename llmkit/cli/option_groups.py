"""Groups of options: a dataclass has the options that belong together, and what follows from them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from llmkit.batch.spec import ChainSpec
from llmkit.cli import console, options
from llmkit.cli.output import Destination
from llmkit.errors import InputError
from llmkit.models import DEFAULT_MODEL
from llmkit.models.generation.ranges import RANGES
from llmkit.models.weights import catalog
from llmkit.models.weights.model_folder import has_head

if TYPE_CHECKING:
    from llmkit.models.chat import HuggingFaceChat
    from llmkit.models.encoder import HuggingFaceEncoder
    from llmkit.models.generation.settings import GenerationSettings


def with_option_groups(
    *, without: Collection[str] = (), **defaults: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace each parameter of a command whose type is a dataclass by an option for each of its fields.

    A field that two of them have is an option of the first; the other one has its default.

    Args:
        without: fields that are no options of this command, and have their defaults.
        **defaults: defaults of this command that differ from those of the dataclasses.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(command, eval_str=True)
        types = {name: parameter.annotation for name, parameter in signature.parameters.items()}
        groups: dict[str, Any] = {name: type_ for name, type_ in types.items() if is_dataclass(type_)}

        @wraps(command)
        def run(**given: Any) -> Any:
            for name, group in groups.items():
                made = group(**{field.name: given.pop(field.name) for field in fields(group) if field.name in given})
                if isinstance(made, ModelOptions):
                    made.settings()  # what is wrong is said before any work
                given[name] = made
            return command(**given)

        parameters: list[inspect.Parameter] = []
        for name, parameter in signature.parameters.items():
            is_group = name in groups
            found = _parameters(groups[name], defaults) if is_group else [parameter.replace(kind=_KEYWORD)]
            known = {*without, *(each.name for each in parameters)}
            parameters += [each for each in found if each.name not in known]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def _parameters(group: Any, defaults: Mapping[str, Any]) -> list[inspect.Parameter]:
    hints, found = get_type_hints(group, include_extras=True), []
    for field in fields(group):
        usual = inspect.Parameter.empty if field.default is MISSING else field.default
        default = defaults.get(field.name, usual)
        found.append(inspect.Parameter(field.name, _KEYWORD, default=default, annotation=hints[field.name]))
    return found


@dataclass(frozen=True)
class OutputOptions:
    """Where the result is written, and how; `quiet` is obeyed by the console."""

    output: options.OutputFile = None
    as_json: options.Json = False
    quiet: options.Quiet = False

    def destination(self, *inputs: Any) -> Destination:
        """Check that the output can be written, and is none of the input files."""
        return Destination.choose(self.output, *inputs, as_json=self.as_json)


@dataclass(frozen=True)
class LinesOptions:
    """As `OutputOptions`, for a command that also reads a document from each line; `--help` has it in this order."""

    as_lines: options.Lines = False
    output: options.Output = None
    as_json: options.Json = False
    quiet: options.Quiet = False

    def destination(self, *inputs: Any) -> Destination:
        """Check that the output can be written, and is none of the input files."""
        return Destination.choose(self.output, *inputs, as_json=self.as_json, lines=self.as_lines)


@dataclass(frozen=True)
class FetchOptions:
    """Which protections of fetching are lifted."""

    allow_private: options.AllowPrivate = False
    ignore_robots: options.IgnoreRobots = False

    def arguments(self) -> dict[str, bool]:
        """Return the arguments of `llmkit.web.fetch`."""
        return {"allow_private": self.allow_private, "respect_robots": not self.ignore_robots}


@dataclass(frozen=True)
class ModelOptions:
    """The model that a command uses."""

    model: options.Model = DEFAULT_MODEL
    context_window: options.ContextWindow = None
    base_url: options.BaseUrl = None
    tokenizer: options.Tokenizer = None

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
        if self.tokenizer is not None and self.base_url is None:
            raise InputError("--tokenizer is that of a model that a server runs: give --base-url, or leave it out")
        if self.base_url is not None:
            return settings
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

    def load_served(self) -> Any:
        """Return the model that a server runs, with the server checked."""
        from llmkit.models.served_settings import served_chat

        with console.progress(f"connecting to the server of {self.model}"):
            llm = served_chat(self.base_url or "", self.model, self.settings(), self.tokenizer, self.context_window)
            llm.connection  # noqa: B018  what is wrong is said before any other work
            return llm

    def load_encoder(self) -> HuggingFaceEncoder:
        """Load a model that has a head and generates no text."""
        with console.progress(f"loading {self.model}"):
            from llmkit.models.encoder import HuggingFaceEncoder

            return HuggingFaceEncoder(self.model, context_window=self.context_window)

    def _is_encoder(self) -> bool:
        """Return whether the model has a head and generates no text, by its configuration; fetches it if needed."""
        if self.model in catalog.CATALOG:
            return catalog.CATALOG[self.model].kind == "embedding"
        with console.progress(f"preparing {self.model}"):
            folder = catalog.resolve(self.model)
        return has_head(folder)

    def spec(self, chain: str, arguments: Mapping[str, Any], **others: Any) -> ChainSpec:
        """Return a chain over the model as plain data, with all settings that were given."""
        settings = self.settings().model_dump(mode="json", exclude_defaults=True)
        where = {"context_window": self.context_window, "base_url": self.base_url, "tokenizer": self.tokenizer}
        given: dict[str, Any] = {"model": self.model, "settings": settings, **where}
        return ChainSpec(chain, arguments, **given, **others)

    def load_any(self) -> Any:
        """Load the model, whether it generates text or has a head."""
        if self.base_url is not None:
            return self.load_served()
        return self.load_encoder() if self._is_encoder() else self.load()

    def load_chain(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """Load the model, and return the chain of `llmkit.chains` with this name over it."""
        llm = self.load_any()
        with console.progress("loading"):
            from llmkit import chains

            return attrgetter(name)(chains)(llm=llm, **arguments)


def _setting(name: str, help_: str) -> Any:
    """Return the option of a generation setting, in the range that it has everywhere."""
    allowed = RANGES[name]
    help_ += "" if allowed.gt is None else f", above {allowed.gt:g}"  # typer has no bound that is left out
    return typer.Option(metavar="NUMBER", min=allowed.ge, max=allowed.le, help=f"{help_}.")


@dataclass(frozen=True)
class GenerationOptions(ModelOptions):
    """The model that a command uses, and the generation settings that were given."""

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

    def explain_unused(self, context: typer.Context) -> str:
        """Return a sentence about the options on the command line that have no effect at temperature 0, or nothing."""
        sources = {name: context.get_parameter_source(name) for name in ("seed", "top_k", "top_p")}
        given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
        if self.temperature != 0 or not given:
            return ""
        names = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        effect = "has no effect" if len(given) == 1 else "have no effect"
        return f"{names} {effect}: the likeliest token is always taken, unless --temperature is above 0"
