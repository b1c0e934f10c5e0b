"""What is set once for all: options that the environment or a config.toml gives, where the command line gives none.

An option of several commands, such as `model`, is a key at the file's top, or `LLMKIT_MODEL`, for all of them; in a
command's own table, or as `LLMKIT_CHAT_MODEL`, for that command. All of it is checked before any work.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from llmkit.cli import values
from llmkit.errors import InputError, SettingsError
from llmkit.models.generation.settings import NAMES, GenerationSettings
from llmkit.paths import config_file

SHARED = ("model", "max_new_tokens", "temperature", "top_k", "top_p", "seed", "stop", "quiet")
"""Options that mean the same in every command that has them."""

ONE_RUN = frozenset(
    (
        *("debug", "explain", "help", "json", "lines", "version"),
        *("examples", "file", "load", "output", "resume", "save", "url"),
        *("allow_private", "ignore_robots"),
    )
)
"""Options that are never set: what is for one run, and what a user should mean each time."""

Commands = Mapping[str, Mapping[str, Any]]
"""For each command the options that can be set, typer's own objects, by the names that they have here."""


@dataclass(frozen=True)
class Held:
    """A value, and where it comes from: a variable's name, the path of the file, `default` or `the model`."""

    value: Any
    origin: str

    @classmethod
    def by_default(cls, option: Any) -> Held:
        """Give what holds where nothing is set; what an option leaves open is the model's to say."""
        left_open = option.default is None and option.name in NAMES
        return cls(option.default, "the model" if left_open else "default")


@dataclass(frozen=True)
class Preferences:
    """What is set, by name: `model`, `classify.threshold`."""

    environment: Mapping[str, Held]
    file: Mapping[str, Held]

    def find(self, command: str, name: str) -> Held | None:
        """Give what is set for a command's option: the environment first, in each the command's own first."""
        places = (self.environment, self.file)
        return next((place[each] for place in places for each in (f"{command}.{name}", name) if each in place), None)


def settable(group: Any) -> Commands:
    """Give the commands of typer's group that have options, and those of them that can be set."""
    found = {}
    for name, command in group.commands.items():
        if not hasattr(command, "commands"):
            options = {option_name(each): each for each in command.params if each.param_type_name == "option"}
            found[name] = {key: each for key, each in options.items() if key.removeprefix("no_") not in ONE_RUN}
    return {name: options for name, options in found.items() if options}


def option_name(option: Any) -> str:
    """Give the name that an option has in a file: `--max-new-tokens` is `max_new_tokens`."""
    return str(max(option.opts, key=len)).lstrip("-").replace("-", "_")


def default_map(commands: Commands) -> dict[str, dict[str, Any]]:
    """Give what is set as typer's `default_map`.

    Raises:
        InputError: something that is set is wrong; says where, and what.
    """
    held = read(commands)
    return {
        command: {each.name: found.value for key, each in options.items() if (found := held.find(command, key))}
        for command, options in commands.items()
    }


def read(commands: Commands) -> Preferences:
    """Read what is set, and check it.

    Raises:
        InputError: something is unknown, or no value of its option.
    """
    return Preferences(dict(_from_environment(commands)), dict(_from_file(commands)))


def variables(commands: Commands) -> dict[str, tuple[str, Any]]:
    """Give the variables that are looked at, each with the name of what it sets and the option."""
    general = {f"LLMKIT_{key.upper()}": (key, option) for key, option in shared(commands).items()}
    return general | {
        f"LLMKIT_{command}_{key}".upper(): (f"{command}.{key}", option)
        for command, options in commands.items()
        for key, option in options.items()
    }


def unknown_variables(commands: Commands) -> dict[str, str]:
    """Give the variables whose names begin as llmkit's do and that nothing reads, each with a hint, if there is one."""
    known = [name.removeprefix("LLMKIT_") for name in (*variables(commands), "CACHE", "CONFIG", "DATA")]
    own = sorted(name.removeprefix("LLMKIT_") for name in os.environ if name.startswith("LLMKIT_"))
    prefixes = "|".join(commands)
    hints = {}
    for name in own:
        if name not in known:
            key = re.sub(f"^(?:{prefixes})_", "", name.lower())
            near = [f"did you mean LLMKIT_{each}?" for each in difflib.get_close_matches(name, known, n=1)]
            hints[f"LLMKIT_{name}"] = _for_one_run(key) if key in ONE_RUN else "".join(near)
    return hints


def shared(commands: Commands) -> dict[str, Any]:
    """Give the options that can be set for all commands at once."""
    first = dict(chain.from_iterable(options.items() for options in reversed(list(commands.values()))))
    return {key: first[key] for key in SHARED if key in first}


def _from_environment(commands: Commands) -> Iterator[tuple[str, Held]]:
    for variable, (name, option) in variables(commands).items():
        if said := os.environ.get(variable):
            yield (
                name,
                Held(_checked(variable, name.rpartition(".")[2], option, values.from_text(option, said)), variable),
            )


def _from_file(commands: Commands) -> Iterator[tuple[str, Held]]:
    path, top = config_file(), shared(commands)
    for key, value in _load(path).items():
        if key in commands and isinstance(value, dict):
            for inner, one in value.items():
                place = f"{path}, [{key}]"
                option = _known(place, inner, commands[key], commands)
                yield f"{key}.{inner}", Held(_checked(place, inner, option, one), str(path))
        else:
            yield key, Held(_checked(str(path), key, _known(str(path), key, top, commands), value), str(path))


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError as error:
        if not os.environ.get("LLMKIT_CONFIG"):
            return {}
        raise InputError(f"{path}, which LLMKIT_CONFIG names, is not there") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # what is no UTF-8 is a ValueError too
        raise InputError(f"{path} is not TOML: {error}") from error


def _known(place: str, key: str, options: Mapping[str, Any], commands: Commands) -> Any:
    """Give the option of this name."""
    if key in options:
        return options[key]
    tables = [f"[{command}]" for command, own in commands.items() if key in own]
    if key in commands:
        hint = f"it is a table, [{key}]"
    elif key in ONE_RUN:
        hint = _for_one_run(key)
    elif tables:
        hint = f"it belongs in {' or '.join(tables)}"
    elif near := difflib.get_close_matches(key.replace("-", "_"), [*options, *commands], n=1):
        hint = f"did you mean {near[0]}?"
    else:
        hint = f"what can be set here is {', '.join(options)}"
    raise InputError(f"{place}: {key} is no setting: {hint}")


def _for_one_run(key: str) -> str:
    return f"--{key.replace('_', '-')} is given for each run"


def _checked(place: str, key: str, option: Any, value: Any) -> Any:
    """Give the value if its option can have it."""
    if key in NAMES:
        try:
            GenerationSettings(**{key: value})
        except SettingsError as error:
            raise InputError(f"{place}: {error}") from error
        return [value] if key == "stop" and isinstance(value, str) else value
    if key == "labels" and isinstance(value, list) and all(isinstance(each, str) and "," not in each for each in value):
        return ",".join(value)
    if not values.fits(option, value):
        raise InputError(f"{place}: {key} is {value!r}, but must be {values.wanted(option)}")
    return value
