"""`llmkit models`: which models there are, and which are here."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

app = typer.Typer(rich_markup_mode=None, no_args_is_help=False)

Name = Annotated[str, typer.Argument(help="A key of the catalog, a .gguf file or a Hugging Face id.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: Json = False) -> None:
    """List, fetch and remove models.

    \b
    llmkit models                      list the catalog
    llmkit models pull smollm2-135m    fetch a model now, to work offline later
    llmkit models show smollm2-135m    what is known about it, and where it is
    llmkit models remove smollm2-135m  free its space
    """
    if context.invoked_subcommand is not None:
        return
    from llmkit.models.catalog import CATALOG

    facts = [_facts(name) for name in CATALOG]
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    rows = [("NAME", "KIND", "LICENCE", "WINDOW", "SIZE", "HERE", "DESCRIPTION")]
    for fact in facts:
        size, window = f"{fact['download_bytes'] / 1e6:.0f} MB", str(fact["context_window"])
        here = _yes(fact["cached"])
        rows.append((fact["name"], fact["kind"], fact["licence"], window, size, here, fact["description"]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def pull(name: Name) -> None:
    """Fetch a model into the cache, and print its folder.

    \b
    llmkit models pull minilm-l6
    llmkit models pull ./tiny.Q4_0.gguf          convert a GGUF file ahead of its first use
    llmkit models pull Qwen/Qwen2.5-0.5B-Instruct
    """
    from llmkit.models.catalog import cached, resolve
    from llmkit.models.store import notice

    if cached(name):
        notice(f"{name} is here already")
    typer.echo(str(resolve(name)))


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Tell what is known about a model of the catalog.

    \b
    llmkit models show smollm2-135m
    llmkit models show smollm2-135m --json
    """
    facts = _facts(name)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for fact, value in facts.items():
        typer.echo(f"{fact.replace('_', ' '):<15} {_yes(value) if isinstance(value, bool) else value}")


@app.command()
def remove(name: Name) -> None:
    """Delete what the cache keeps of a model.

    \b
    llmkit models remove smollm2-135m
    """
    from llmkit.models import catalog
    from llmkit.models.store import notice

    notice(f"{name} removed" if catalog.remove(name) else f"{name} is not in the cache")


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def _facts(name: str) -> dict[str, Any]:
    from llmkit.models import catalog

    entry = catalog.entry(name)
    return {
        "name": entry.name,
        "kind": entry.kind,
        "description": entry.description,
        "licence": entry.licence,
        "context_window": entry.context_window,
        "download_bytes": entry.wheel.size,
        "wheel": entry.wheel.requirement,
        "sha256": entry.wheel.sha256,
        "cached": catalog.cached(name),
        "folder": str(catalog.place(name)),
    }
