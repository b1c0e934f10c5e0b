"""`llmkit config`: what is set, and where each value comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import typer

from llmkit.cli import options
from llmkit.cli.configuration import (
    Commands,
    Held,
    Preferences,
    read,
    settable,
    shared,
    unknown_variables,
)
from llmkit.paths import config_file

app = typer.Typer(rich_markup_mode=None, no_args_is_help=False)


@app.callback(invoke_without_command=True, epilog="--debug shows the traceback of an error.")
def config(context: typer.Context, as_json: options.Json = False) -> None:
    """Show what is set, and where each value comes from.

    The command line comes first, then the environment, then the file, then what the command or the model has itself.

    \b
    llmkit config            all settings, their values and where these come from
    llmkit config path       where the file is, or would be
    LLMKIT_SEED=7 llmkit config --json

    \b
    # config.toml
    model = "Qwen/Qwen2.5-0.5B-Instruct"    for all commands, as LLMKIT_MODEL
    temperature = 0.2

    \b
    [classify]                              for one command, as LLMKIT_CLASSIFY_THRESHOLD
    threshold = 0.6
    """
    if context.invoked_subcommand is not None:
        return
    commands = settable(context.find_root().command)
    rows = dict(_rows(commands, read(commands)))
    strange = {} if rows["quiet"].value else unknown_variables(commands)
    for name, hint in strange.items():
        typer.echo(f"note: {name} is no setting{f': {hint}' if hint else ''}", err=True)
    if as_json:
        facts = [{"setting": name, "value": held.value, "from": held.origin} for name, held in rows.items()]
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    table = [("SETTING", "VALUE", "FROM"), *((name, _shown(held.value), held.origin) for name, held in rows.items())]
    wide = [max(len(row[column]) for row in table) for column in range(2)]
    for name, value, origin in table:
        typer.echo(f"{name:<{wide[0]}}  {value:<{wide[1]}}  {origin}")


@app.command(epilog=options.EPILOG)
def path() -> None:
    """Print where the file is, or would be; LLMKIT_CONFIG names another.

    \b
    llmkit config path
    "$EDITOR" "$(llmkit config path)"
    """
    typer.echo(str(config_file()))


def _rows(commands: Commands, held: Preferences) -> Iterator[tuple[str, Held]]:
    """Give what holds for all commands, and then for each command what it has alone or otherwise."""
    general = {key: held.find("", key) or Held.by_default(option) for key, option in shared(commands).items()}
    yield from general.items()
    for command, own in commands.items():
        for key, option in own.items():
            holds = held.find(command, key) or Held.by_default(option)
            if general.get(key) != holds:
                yield f"{command}.{key}", holds


def _shown(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)
