"""`llmkit prompts`: the prompt texts that ship with llmkit."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from llmkit.cli import completion as completing
from llmkit.cli import options

app = typer.Typer(rich_markup_mode=None, no_args_is_help=False)


@app.callback(invoke_without_command=True, epilog=options.EPILOG)
def prompts(context: typer.Context, as_json: options.Json = False) -> None:
    """List the prompt texts, or show one.

    \b
    llmkit prompts                          list those that ship with llmkit
    llmkit prompts show summarize-dialogue  print one, as it stands in its file
    """
    if context.invoked_subcommand is not None:
        return
    from llmkit.prompts.library import list_prompts, read

    known = {name: read(name) for name in list_prompts()}
    if as_json:
        rows = [
            {"name": name, "description": parts["description"], "fields": list(parts.get("fields", ()))}
            for name, parts in known.items()
        ]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    wide = max(map(len, known))
    for name, parts in known.items():
        fields = f" Fields: {', '.join(parts['fields'])}." if parts.get("fields") else ""
        typer.echo(f"{name:<{wide}}  {parts['description']}{fields}")


@app.command(epilog=options.EPILOG)
def show(
    name: Annotated[str, typer.Argument(help="A name from `llmkit prompts`.", autocompletion=completing.prompts)],
    as_json: options.Json = False,
) -> None:
    """Print a prompt text with its fields, as it stands in its file.

    \b
    llmkit prompts show question-answering
    llmkit prompts show question-answering --json
    """
    prompt = options.load_prompt(name)
    if as_json:
        facts: dict[str, object] = {"name": name, "description": prompt.description, **prompt.parts.texts()}
        facts |= {"fields": list(prompt.fields), "examples": list(prompt.examples)}
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        typer.echo(prompt.to_markdown(), nl=False)
