"""`llmkit models`: which models there are, and which are here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from llmkit.cli import console, options
from llmkit.cli.help_text import FittedCommand, FittedGroup
from llmkit.models.weights import catalog
from llmkit.models.weights.adapters import AdapterInfo
from llmkit.models.weights.folder_files import CONFIG, read_object

app = typer.Typer(cls=FittedGroup, rich_markup_mode=None, no_args_is_help=False)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A name from `llmkit models`, a folder, a .gguf file or a Hugging Face id.",
        autocompletion=lambda: list(catalog.CATALOG),
    ),
]


@app.callback(invoke_without_command=True, epilog=options.EPILOG)
def models(context: typer.Context, as_json: options.Json = False) -> None:
    """List, download and remove models.

    \b
    Examples:
      llmkit models                      list the catalog
      llmkit models pull smollm2-135m    download it now, for offline use
      llmkit models show smollm2-135m    its size, licence and folder
      llmkit models remove smollm2-135m  delete it
    """
    if context.invoked_subcommand is not None:
        return
    facts = [_facts(name) for name in catalog.CATALOG]
    if as_json:
        console.output_json(facts, indent=2)
        return
    columns = ("name", "kind", "licence", "context_window", "size", "here", "description")
    for fact in facts:
        fact |= {"size": f"{fact['download_bytes'] / 1e6:.0f} MB", "here": _yes(fact["cached"])}
    rows = [[str(fact[column]) for column in columns] for fact in facts]
    console.table([("NAME", "KIND", "LICENCE", "WINDOW", "SIZE", "HERE", "DESCRIPTION"), *rows])


@app.command(epilog=options.EPILOG, cls=FittedCommand)
def pull(name: Name, quiet: options.Quiet = False) -> None:
    """Download a model into the cache, and print its folder.

    \b
    Examples:
      llmkit models pull minilm-l6
      llmkit models pull ./tiny.Q4_0.gguf    convert a GGUF file now
      llmkit models pull Qwen/Qwen2.5-0.5B-Instruct
    """
    if catalog.is_cached(name):
        console.note(_what_is_here(name))
    with console.progress(f"preparing {name}"):
        folder = catalog.resolve(name)
        adapter = AdapterInfo.read(folder)
        base = adapter.find_base() if adapter and adapter.is_alone else None
    if base is not None:
        console.note(f"{name} is an adapter; its base is in {base}")
    console.output(str(folder))


@app.command(epilog=options.EPILOG, cls=FittedCommand)
def show(context: typer.Context, name: Name, as_json: options.Json = False) -> None:
    """Show what is known about a model.

    A model of the catalog, a folder or a .gguf file; for a model of the hub, pull it and show its folder.

    \b
    Examples:
      llmkit models show smollm2-135m
      llmkit models show ./tiny.Q4_0.gguf --json
      llmkit models show ./my-adapter        its type, rank and base
    """
    facts = _facts(name)
    if as_json or (context.parent and context.parent.params.get("as_json")):
        console.output_json(facts, indent=2)
        return
    for fact, value in facts.items():
        shown = _yes(value) if isinstance(value, bool) else "unknown" if value is None else value
        shown = ", ".join(shown) if isinstance(shown, list) else shown
        console.output(f"{fact.replace('_', ' '):<15} {shown}")


@app.command(epilog=options.EPILOG, cls=FittedCommand)
def remove(name: Name, quiet: options.Quiet = False) -> None:
    """Delete a model from the cache: one of the catalog, or what a .gguf file was converted to.

    The file itself stays, and so do folders. Models of the hub are deleted by `hf cache rm`.

    \b
    Examples:
      llmkit models remove smollm2-135m
      llmkit models remove ./tiny.Q4_0.gguf
    """
    console.note(f"{name} removed" if catalog.remove(name) else f"{name} is not in the cache")


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def _facts(name: str) -> dict[str, Any]:
    path = catalog.path_of(name)
    if name not in catalog.CATALOG and path.exists():
        return _facts_of_files(name, path)
    entry = catalog.get_entry(name)
    return {
        **{fact: getattr(entry, fact) for fact in ("name", "kind", "description", "licence", "context_window")},
        "languages": list(entry.languages),
        "download_bytes": entry.wheel.size,
        "wheel": entry.wheel.requirement,
        "sha256": entry.wheel.sha256,
        "cached": catalog.is_cached(name),
        "folder": str(catalog.folder_of(name)),
    }


def _facts_of_files(name: str, path: Path) -> dict[str, Any]:
    """Return the facts about a folder or a .gguf file; those of a file are known after its first use."""
    from llmkit.models.weights.model_folder import validate_model_folder

    if path.is_file():
        catalog.validate_gguf(path)
    folder = validate_model_folder(path) if path.is_dir() else catalog.folder_of(name)
    config: dict[str, Any] = {}
    if catalog.is_cached(name) and (folder / CONFIG).is_file():
        config = read_object(folder / CONFIG)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    adapter = AdapterInfo.read(folder)
    of_adapter = _facts_of_adapter(adapter) if adapter else {}
    if adapter and adapter.is_alone and of_adapter["base_cached"]:
        config = read_object(Path(of_adapter["base_folder"]) / CONFIG)
    return {
        "name": name,
        "kind": "GGUF file" if path.is_file() else "adapter" if adapter and adapter.is_alone else "folder",
        "architecture": _architecture(config),
        "context_window": config.get("max_position_embeddings"),
        "loaded_by": _loaded_by(folder) if config else None,
        **of_adapter,
        "bytes": sum(file.stat().st_size for file in files),
        "cached": bool(config) or adapter is not None,
        "folder": str(folder),
    }


def _loaded_by(folder: Path) -> str:
    """Return the class of llmkit that loads a model: one with a head is no chat model."""
    from llmkit.models.weights.model_folder import has_head

    return "HuggingFaceEncoder" if has_head(folder) else "HuggingFaceChat"


def _facts_of_adapter(adapter: AdapterInfo) -> dict[str, Any]:
    base = adapter.base_name if adapter.is_alone else str(adapter.folder)
    is_here = bool(base) and catalog.is_cached(base)
    return {
        **{"adapter": adapter.type, "rank": adapter.rank, "task": adapter.task},
        **{
            "base": base or None,
            "base_cached": is_here,
            "base_folder": str(catalog.resolve(base)) if is_here else None,
        },
    }


def _what_is_here(name: str) -> str:
    """Return the note for a model with nothing to download."""
    path = Path(name).expanduser()
    if name in catalog.CATALOG or not path.is_dir():
        return f"{name} is already here"
    architecture = _architecture(read_object(path / CONFIG)) if (path / CONFIG).is_file() else None
    return f"{name} is a folder{f' with a {architecture}' if architecture else ''}: there is nothing to download"


def _architecture(config: dict[str, Any]) -> str | None:
    return next(iter(config.get("architectures") or []), None)
