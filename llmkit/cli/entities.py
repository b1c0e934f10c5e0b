"""`llmkit entities`: a text in, the people, places and other things that it names out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import files, options, progress
from llmkit.cli import jsonl_batch as lines
from llmkit.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from llmkit.chains import Entity, NERChain


def entities(
    file: Annotated[str, typer.Argument(help="A text file, or - for standard input.")] = "-",
    *,
    labels: Annotated[str, typer.Option(help="What to find, with commas between.")] = "person,organization,location",
    examples: Annotated[
        Path | None,
        typer.Option(help='Solved texts: {"input": text, "output": [{"text": …, "label": …}, …]}, one a line.'),
    ] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="The least probability of an entity.")] = 0.5,
    any_words: Annotated[
        bool,
        typer.Option("--any-words/--no-any-words", help="Not only proper names: for dates, foods.", show_default=False),
    ] = False,
    model: options.Model = DEFAULT_MODEL,
    as_lines: options.Lines = False,
    output: options.Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Find what a text names: people, places, other things.

    One entity a line, with its place, label and probability.

    \b
    llmkit entities article.txt
    echo "Ada Lovelace was born in London." | llmkit entities
    llmkit entities report.txt --labels drug,disease --any-words
    llmkit entities mails.jsonl --lines --output entities.jsonl
    """
    known = options.listed(labels)
    solved = files.read_examples(examples)
    _check(known, solved)
    chosen: dict[str, Any] = {"labels": known, "examples": solved, "threshold": threshold, "names": not any_words}

    load = partial(options.load_chain, "NERChain", options.ModelOptions(model), chosen, quiet=quiet)
    if as_lines:
        settings = {"command": "entities", "model": model, **chosen}
        lines.run(file, output, lambda: _work(load()), settings=settings, quiet=quiet)
        return
    text = files.read_input(file, output, examples=examples, quiet=quiet)
    chain = load()
    with progress.waiting("reading", quiet=quiet):
        found = chain.invoke(text)
    if not found and not quiet and not as_json:
        typer.echo("note: the text names none of these", err=True)
    if found or as_json or output:
        files.write(_as_json(found) if as_json else shown(found), output)


def _as_json(found: Any) -> str:
    return json.dumps([each.model_dump(mode="json") for each in found], ensure_ascii=False)


def _check(labels: list[str], examples: list[dict[str, Any]]) -> None:
    """Tell what is wrong before a model is loaded."""
    from llmkit.chains.labels import Labels
    from llmkit.chains.ner.examples import Solved

    known = Labels.validate(labels, None, multi_label=True).names
    for number, each in enumerate(examples, 1):
        Solved.checked(each, number, known)


def shown(found: Sequence[Entity]) -> str:
    """Give the entities as columns: place, label, probability and text."""
    places = [f"{each.start}-{each.end}" for each in found]
    width, wide = max(map(len, places), default=0), max((len(each.label) for each in found), default=0)
    return "\n".join(
        f"{place:>{width}}  {each.label:<{wide}}  {each.score:6.1%}  {' '.join(each.text.split())}"
        for place, each in zip(places, found, strict=True)
    )


def _work(chain: NERChain) -> lines.Work:
    from pydantic import BaseModel

    class Found(BaseModel):
        entities: Sequence[Any]

    def work(texts: list[str]) -> Sequence[BaseModel | Exception]:
        results: Sequence[Any] = lines.batches(chain)(texts)
        return [each if isinstance(each, Exception) else Found(entities=each) for each in results]

    return work
