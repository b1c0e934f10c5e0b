"""`llmkit prompts`: the prompt texts that ship with llmkit."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(help="List the prompt texts that ship with llmkit, or show one.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def list_prompts(context: typer.Context, as_json: AsJson = False) -> None:
    """List the prompt texts that ship with llmkit, or show one."""
    if context.invoked_subcommand:
        return
    from llmkit.prompts import TaskPrompt, names

    prompts = {name: TaskPrompt.load(name) for name in names()}
    if as_json:
        rows = [
            {"name": name, "description": prompt.description, "fields": list(prompt.fields)}
            for name, prompt in prompts.items()
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    wide = max(map(len, prompts))
    for name, prompt in prompts.items():
        fields = f" Fields: {', '.join(prompt.fields)}." if prompt.fields else ""
        typer.echo(f"{name:<{wide}}  {prompt.description}{fields}")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A name from `llmkit prompts`.")], as_json: AsJson = False
) -> None:
    """Print a prompt text with its fields, as it stands in its file."""
    from llmkit.prompts import TaskPrompt

    prompt = TaskPrompt.load(name)
    if as_json:
        parts = {**vars(prompt.wording), "fields": list(prompt.fields), "examples": list(prompt.examples)}
        typer.echo(json.dumps({"name": name, "description": prompt.description, **parts}, ensure_ascii=False))
    else:
        typer.echo(prompt.to_markdown(), nl=False)
