"""`llmkit config`, and the defaults that the environment and config.toml give to the options of all commands."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from llmkit.cli import console, options
from llmkit.errors import InputError
from llmkit.paths import config_file

SHARED = ("model", "max_new_tokens", "temperature", "top_k", "top_p", "seed", "stop", "quiet")
"""Options that mean the same in every command, so that one value may be set for all."""
ONE_RUN = frozenset(
    (
        *("debug", "explain", "help", "json", "lines", "version"),
        *("examples", "file", "load", "output", "resume", "save", "url"),
        *("allow_private", "ignore_robots"),
    )
)
"""Options that are for one run, or that should be meant each time: they cannot be set."""

Options = Mapping[str, Any]
"""typer's option objects by their names in config.toml."""


@dataclass(frozen=True)
class Setting:
    """The value of an option, and its source: a variable, a file, `default` or `the model`."""

    value: Any
    source: str


Settings = Mapping[str, Setting]
"""Settings by name: `model`, `classify.threshold`."""

app = typer.Typer(rich_markup_mode=None, no_args_is_help=False)


@app.callback(invoke_without_command=True, epilog="--debug shows the traceback of an error.")
def config(context: typer.Context, as_json: options.Json = False) -> None:
    """Show the value of each option, and its source.

    The command line comes first, then environment variables, then config.toml, then the default of the command or
    the model.

    \b
    Examples:
      llmkit config            all options, their values and sources
      llmkit config path       where config.toml is, or would be
      LLMKIT_SEED=7 llmkit config --json

    \b
    config.toml:
      model = "Qwen/Qwen2.5-0.5B-Instruct"    # as LLMKIT_MODEL, all commands
      temperature = 0.2
      [classify]                              # one command only
      threshold = 0.6                         # as LLMKIT_CLASSIFY_THRESHOLD
    """
    if context.invoked_subcommand is not None:
        return
    commands = configurable(context.find_root().command)
    rows = dict(_rows(commands, load(commands)))
    if as_json:
        facts = [{"setting": name, "value": row.value, "source": row.source} for name, row in rows.items()]
        console.output(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    values = ["-" if row.value is None else json.dumps(row.value, ensure_ascii=False) for row in rows.values()]
    cells = zip(rows, values, (row.source for row in rows.values()), strict=True)
    console.table([("SETTING", "VALUE", "SOURCE"), *cells])


@app.command(epilog=options.EPILOG)
def path() -> None:
    """Print the path of config.toml.

    The file need not exist; LLMKIT_CONFIG names another.

    \b
    Examples:
      llmkit config path
      "$EDITOR" "$(llmkit config path)"
    """
    console.output(str(config_file()))


def default_map(group: Any) -> dict[str, dict[str, Any]]:
    """Return what is set, as the `default_map` of typer's context.

    Raises:
        InputError: a setting is unknown or has a wrong value; the message names the file or variable.
    """
    commands = configurable(group)
    settings = load(commands)
    return {
        command: {option.name: found.value for key, option in known.items() if (found := find(settings, command, key))}
        for command, known in commands.items()
    }


def configurable(group: Any) -> dict[str, Options]:
    """Return the options of each command of a typer group that can be set."""
    return {
        name: {key: option for key, option in options.by_name(command).items() if key not in ONE_RUN}
        for name, command in group.commands.items()
        if not hasattr(command, "commands")
    }


def shared(commands: Mapping[str, Options]) -> Options:
    """Return the options that can be set for all commands at once."""
    return {key: next(known[key] for known in commands.values() if key in known) for key in SHARED}


def load(commands: Mapping[str, Options]) -> tuple[Settings, Settings]:
    """Read and check what is set in the environment, and what is set in config.toml."""
    return dict(_from_environment(commands)), dict(_from_file(commands))


def find(settings: tuple[Settings, Settings], command: str, key: str) -> Setting | None:
    """Return what is set for an option: by the environment, else the file; in each the command's own value first."""
    names = (f"{command}.{key}", key)
    return next((place[name] for place in settings for name in names if name in place), None)


def _variables(commands: Mapping[str, Options]) -> dict[str, tuple[str, Any]]:
    """Return each variable with the name of what it sets, and the option."""
    general = {f"LLMKIT_{key.upper()}": (key, option) for key, option in shared(commands).items()}
    return general | {
        f"LLMKIT_{command}_{key}".upper(): (f"{command}.{key}", option)
        for command, known in commands.items()
        for key, option in known.items()
    }


def _from_environment(commands: Mapping[str, Options]) -> Iterator[tuple[str, Setting]]:
    for variable, (name, option) in _variables(commands).items():
        if text := os.environ.get(variable):
            yield name, Setting(_parse(f"{variable}: ", option, text, strict=False), variable)


def _from_file(commands: Mapping[str, Options]) -> Iterator[tuple[str, Setting]]:
    path = config_file()
    for key, value in _read_toml().items():
        in_table = key in commands and isinstance(value, dict)
        place = f"{path}, [{key}]" if in_table else str(path)
        known = commands[key] if in_table else shared(commands)
        for name, one in value.items() if in_table else [(key, value)]:
            if name not in known:
                raise InputError(f"{place}: {name} is not a setting{_hint(name, known, commands)}")
            parsed = _parse(f"{place}: {name} = ", known[name], one, strict=True)
            yield f"{key}.{name}" if in_table else name, Setting(parsed, str(path))


def _read_toml() -> dict[str, Any]:
    path = config_file()
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if not os.environ.get("LLMKIT_CONFIG"):
            return {}
        raise InputError(f"{path}, which LLMKIT_CONFIG names, does not exist") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is a ValueError too
        raise InputError(f"{path} is not TOML: {error}") from error


def _parse(place: str, option: Any, value: Any, *, strict: bool) -> Any:
    """Return a value as the option has it; text from the environment is not read strictly."""
    from pydantic import Field, TypeAdapter, ValidationError

    kind = option.type_descriptor.annotation
    if kind == list[str] and isinstance(value, str):
        value = [value]
    elif kind is str and isinstance(value, list) and all(isinstance(part, str) and "," not in part for part in value):
        value = ",".join(value)  # labels
    bounded: Any = Annotated[kind, Field(ge=option.min, le=option.max)]
    try:
        return TypeAdapter(bounded).validate_python(value, strict=strict)
    except ValidationError as error:
        raise InputError(f"{place}{value!r}: {error.errors()[0]['msg']}") from error


def _hint(key: str, known: Options, commands: Mapping[str, Options]) -> str:
    if tables := [f"[{command}]" for command, own in commands.items() if key in own]:
        return f": it belongs in {' or '.join(tables)}"
    near = difflib.get_close_matches(key.replace("-", "_"), [*known, *commands], n=1)
    return f": did you mean {near[0]}?" if near else f": the settings here are {', '.join(known)}"


def _rows(commands: Mapping[str, Options], settings: tuple[Settings, Settings]) -> Iterator[tuple[str, Setting]]:
    """Yield what is set for all commands, then for each command what is set or defined otherwise."""
    general = {key: find(settings, "", key) or _default(option) for key, option in shared(commands).items()}
    yield from general.items()
    for command, known in commands.items():
        for key, option in known.items():
            setting = find(settings, command, key) or _default(option)
            if general.get(key) != setting:
                yield f"{command}.{key}", setting


def _default(option: Any) -> Setting:
    """Return what holds where nothing is set; an option without a default leaves the choice to the model."""
    of_model = option.default is None and option.name in SHARED
    return Setting(option.default, "the model" if of_model else "default")
