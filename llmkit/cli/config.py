"""`llmkit config`, and the defaults that the environment and config.toml give to the options of all commands."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import typer

from llmkit.cli import console, hints, options
from llmkit.cli.control_characters import to_json
from llmkit.cli.help_text import FittedCommand, FittedGroup
from llmkit.errors import InputError
from llmkit.models.generation.ranges import RANGES, Range
from llmkit.paths import config_file
from llmkit.regular_files import read_regular

SHARED = (
    *("model", "context_window", "base_url", "tokenizer", "max_new_tokens", "temperature", "top_k", "top_p", "seed"),
    *("stop", "source_language", "target_language", "quiet"),
)
"""Options that mean the same in every command, so that one value may be set for all."""
OWN_MEANING = {("ask", "top_k"), ("batch ask", "top_k")}
"""Options of a command that only have the name of a shared one: how many sentences, not how many tokens."""
ONE_RUN = {
    *("api_key", "debug", "explain", "help", "json", "lines", "version", "allow_private", "ignore_robots"),
    *("calibrate", "confidence", "error", "examples", "file", "load", "output", "precision", "resume", "save", "url"),
    *("baseline", "data", "fail_if_worse", "holdout", "limit", "only"),
}
"""Options that are for one run, or that should be meant each time: they cannot be set."""

Commands = Mapping[str, Mapping[str, Any]]
"""For each command, typer's option objects by their names in config.toml."""


class Setting(NamedTuple):
    """The value of an option, and its source: a variable, a file, `default` or `the model`."""

    value: Any
    source: str


app = typer.Typer(cls=FittedGroup, rich_markup_mode=None, no_args_is_help=False)


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
    warn_of_unknown_variables(commands)
    rows = list(_rows(commands))
    if as_json:
        facts = [{"setting": name, **setting._asdict()} for name, setting in rows]
        console.output_json(facts, indent=2)
        return
    values = ["-" if row.value is None else to_json(row.value) for _, row in rows]
    cells = [(name, value, row.source) for (name, row), value in zip(rows, values, strict=True)]
    console.table([("SETTING", "VALUE", "SOURCE"), *cells])


@app.command(epilog=options.EPILOG, cls=FittedCommand)
def path() -> None:
    """Print the path of config.toml.

    The file need not exist. LLMKIT_CONFIG names another one, which must exist.

    \b
    Examples:
      llmkit config path
      "$EDITOR" "$(llmkit config path)"
    """
    console.output(str(config_file()))


def default_map(group: Any) -> dict[str, dict[str, Any]]:
    """Return what is set, as the `default_map` of typer's context.

    Raises:
        InputError: a setting is unknown or has a wrong value; the message names the file or the variable.
    """
    commands = configurable(group)
    warn_of_unknown_variables(commands)
    file = _read_file(commands)
    values: dict[str, dict[str, Any]] = {
        command: {option.name: found.value for key, option in known.items() if (found := _find(file, command, option))}
        for command, known in commands.items()
    }
    return {**values, "batch": {command: values[command] for command in group.commands["batch"].commands}}


def configurable(group: Any) -> Commands:
    """Return the options of a typer group's commands that can be set."""
    return {
        name: {key: option for key, option in options.by_name(command).items() if key not in ONE_RUN}
        for name, command in group.commands.items()
        if not hasattr(command, "commands")
    }


def warn_of_unknown_variables(commands: Commands) -> None:
    """Warn of variables of the environment that look like settings, and are none."""
    names = [*SHARED, *(f"{command}_{key}" for command, known in commands.items() for key in known)]
    known = [*_PLACES, *map(str.upper, names)]
    for variable in sorted(os.environ):
        name = variable.removeprefix("LLMKIT_")
        if name != variable and name not in known and os.environ[variable]:
            same = [other for other in known if other.endswith(f"_{name}")]
            near = [f"LLMKIT_{other}" for other in same or difflib.get_close_matches(name, known, n=1)]
            advice = f"did you mean {' or '.join(near)}?" if near else "see llmkit config"
            console.warning(f"{variable} is set, but is no setting: {advice}")


_PLACES = ("CONFIG", "CACHE", "DATA", "API_KEY")


def _shared(commands: Commands) -> Mapping[str, Any]:
    return {key: next(known[key] for known in commands.values() if key in known) for key in SHARED}


def is_shared(command: str, key: str) -> bool:
    """Return whether a value for all commands is one for this option of a command."""
    return key in SHARED and (command, key) not in OWN_MEANING


def _find(file: Mapping[str, Setting], command: str, option: Any) -> Setting | None:
    """Return what is set for an option: by the environment, else the file; in each the command's own value first."""
    key = options.name_of(option)
    names = [name for name, wanted in ((f"{command}.{key}", command), (key, is_shared(command, key))) if wanted]
    for name in names:
        variable = f"LLMKIT_{name.replace('.', '_').upper()}"
        if ("." in name or key in SHARED) and (text := os.environ.get(variable)):
            return Setting(_parse(f"{variable}: ", option, text, strict=False), variable)
    found = next((file[name] for name in names if name in file), None)
    if found is not None and _takes_several(option) and isinstance(found.value, str):  # one for all commands
        return found._replace(value=[found.value])
    return found


def _takes_several(option: Any) -> bool:
    return bool(option.type_descriptor.annotation == list[str])


def _read_file(commands: Commands) -> dict[str, Setting]:
    """Return what is set in config.toml, by name: `model`, `classify.threshold`."""
    path, settings = config_file(), {}
    for key, value in _read_toml().items():
        table = key if key in commands and isinstance(value, dict) else ""
        known = commands[table] if table else _shared(commands)
        place = f"{path}, [{table}]" if table else str(path)
        for name, one in value.items() if table else [(key, value)]:
            if name not in known:
                raise InputError(f"{place}: {name} is not a setting{_hint(name, known, commands)}")
            parsed = _parse(f"{place}: {name} = ", known[name], one, strict=True)
            settings[f"{table}.{name}" if table else name] = Setting(parsed, str(path))
    return settings


def _read_toml() -> dict[str, Any]:
    path = config_file()
    try:
        if os.path.realpath(path) == os.devnull:
            return {}
        return tomllib.loads(read_regular(path).decode("utf-8-sig"))  # editors of Windows write a byte order mark
    except FileNotFoundError as error:
        if not os.environ.get("LLMKIT_CONFIG"):
            return {}
        raise InputError(f"{path}, which LLMKIT_CONFIG names, does not exist") from error
    except OSError as error:  # also a pipe, a device, or a file of many megabytes
        raise InputError(f"{path!s:.200} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:  # such as UTF-16, with or without a byte order mark
        raise InputError(f"{path} is not TOML: it is not UTF-8 text; save it in UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not TOML: {error}") from error


def _parse(place: str, option: Any, value: Any, *, strict: bool) -> Any:
    """Return a value as the option's type, which only text from the environment may differ from."""
    from pydantic import Field, TypeAdapter, ValidationError

    wanted = option.type_descriptor.annotation
    if _takes_several(option) and isinstance(value, str):
        value = [value]
    elif _takes_several(option) and isinstance(value, dict) and all(isinstance(part, str) for part in value.values()):
        value = [f"{key}={part}" for key, part in value.items()]  # descriptions
    elif wanted is str and isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = options.join_labels(value)
    if value == "" or (isinstance(value, list) and "" in value):
        raise InputError(f"{place}{value!r}: it must not be empty; leave it out for the default")
    above = RANGES.get(options.name_of(option), Range()).gt
    bounded: Any = Annotated[wanted, Field(ge=option.min, gt=above, le=option.max)]
    try:
        return TypeAdapter(bounded).validate_python(value, strict=strict)
    except ValidationError as error:
        raise InputError(f"{place}{value!r}: {hints.explain_value(error.errors()[0])}") from error


def _hint(key: str, known: Mapping[str, Any], commands: Commands) -> str:
    if key in commands:
        return f": it is a table of settings, which begins with the line [{key}]"
    if tables := [f"[{command}]" for command, others in commands.items() if key in others]:
        return f": it belongs in {' or '.join(tables)}"
    near = difflib.get_close_matches(key.replace("-", "_"), [*known, *commands], n=1)
    return f": did you mean {near[0]}?" if near else f": the settings here are {', '.join(known)}"


def _rows(commands: Commands) -> Iterator[tuple[str, Setting]]:
    """Yield what is set for all commands, then for each command what differs from that."""
    file = _read_file(commands)
    general = {key: _find(file, "", option) or _default(option) for key, option in _shared(commands).items()}
    yield from general.items()
    for command, known in commands.items():
        for key, option in known.items():
            setting = _find(file, command, option) or _default(option)
            usual = general.get(key)
            if not is_shared(command, key) or (usual != setting and _first(setting) != usual):
                yield f"{command}.{key}", setting


def _first(setting: Setting) -> Setting:
    """Return a setting of one value in a list as that value."""
    is_one = isinstance(setting.value, list) and len(setting.value) == 1
    return setting._replace(value=setting.value[0]) if is_one else setting


def _default(option: Any) -> Setting:
    """Return what holds where nothing is set, as the help says it; else the choice is the model's."""
    if option.default is None and isinstance(option.show_default, str):
        return Setting(option.show_default, "default")
    of_model = option.default is None and option.name in SHARED
    return Setting(option.default, "the model" if of_model else "default")
