"""`llmkit prompts`: the prompt texts that ship with llmkit."""

from __future__ import annotations

from typing import Annotated

import typer

from llmkit.cli import console, options
from llmkit.cli.help_text import FittedCommand, FittedGroup

app = typer.Typer(cls=FittedGroup, rich_markup_mode=None, no_args_is_help=False)


@app.callback(invoke_without_command=True, epilog=options.EPILOG)
def prompts(context: typer.Context, as_json: options.Json = False) -> None:
    """List the prompt texts, with the command that each is for, or show one.

    \b
    Examples:
      llmkit prompts                          list all
      llmkit prompts show summarize-dialogue  print one
    """
    if context.invoked_subcommand is not None:
        return
    from llmkit.prompts.library import list_prompts, read

    known = {name: read(name) for name in list_prompts()}
    if as_json:
        facts = [
            {
                "name": name,
                "for": parts.get("task"),
                "description": parts["description"],
                "fields": list(parts.get("fields", ())),
            }
            for name, parts in known.items()
        ]
        console.output_json(facts, indent=2)
        return
    notes = {name: f" Fields: {', '.join(fields)}." for name, parts in known.items() if (fields := parts.get("fields"))}
    rows = [(name, parts["task"], parts["description"] + notes.get(name, "")) for name, parts in known.items()]
    console.table([("NAME", "FOR", "DESCRIPTION"), *rows])


@app.command(epilog=options.EPILOG, cls=FittedCommand)
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name from `llmkit prompts`.", autocompletion=options.prompts)
    ],
    as_json: options.Json = False,
) -> None:
    """Print a prompt text, exactly as in its file.

    \b
    Examples:
      llmkit prompts show question-answering
      llmkit prompts show question-answering --json
    """
    prompt = options.load_prompt(name)
    if as_json:
        facts: dict[str, object] = {"name": name, "for": prompt.task, "description": prompt.description}
        facts |= dict(prompt.parts)
        facts |= {"fields": list(prompt.fields), "examples": list(prompt.examples)}
        console.output_json(facts, indent=2)
    else:
        console.output(prompt.to_markdown(), end="")
