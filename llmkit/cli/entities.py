"""`llmkit entities`: what a text names, or each line of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import console, learning, options
from llmkit.cli.labelled_files import examples_help, read_labelled
from llmkit.cli.output import Destination
from llmkit.cli.texts import TextTask
from llmkit.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from llmkit.chains import Entities


def entities(
    file: options.Text = "-",
    *,
    labels: Annotated[
        str, typer.Option(metavar="LABELS", help="What to find, separated by commas.")
    ] = "person,organization,location",
    examples: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=examples_help('{"input": "…", "output": [{"text": "…", "label": "…"}]}')),
    ] = None,
    descriptions: learning.Descriptions = None,
    threshold: Annotated[
        float, typer.Option(metavar="NUMBER", min=0, max=1, help="List only entities with at least this probability.")
    ] = 0.5,
    any_words: Annotated[
        bool,
        options.switch(
            "--any-words/--no-any-words", help="Find any words, such as dates or foods, not only proper names."
        ),
    ] = False,
    max_words: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="The most words of an entity.")] = 6,
    calibrate: learning.Calibrate = None,
    precision: learning.Precision = None,
    model: options.Model = DEFAULT_MODEL,
    context_window: options.ContextWindow = None,
    as_lines: options.Lines = False,
    output: options.Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Find people, organizations and other entities.

    The input is a file (text, a saved web page, an e-mail, subtitles or a PDF), or standard input (-).

    Each line of the output is an entity: its characters in the text, label, probability and text.

    \b
    Examples:
      llmkit entities article.txt
      echo "Ada Lovelace was born in London." | llmkit entities
      llmkit entities report.txt --labels drug,disease --any-words
      llmkit entities a.txt --labels site --descriptions site="a port, a bridge"
      llmkit entities mails.jsonl --lines --output entities.jsonl
      llmkit entities mails.jsonl --lines --output entities.csv    an entity a row
    """
    from llmkit.chains.labels import Labels
    from llmkit.chains.ner.calibration import LabelledText

    names = options.split_labels(labels)
    solved, rows = (read_labelled(path, parse_cell=_parse, text_output=False) for path in (examples, calibrate))
    arguments: dict[str, Any] = {
        "labels": names,
        "descriptions": learning.read_descriptions(descriptions or (), names),
        "examples": solved,
        "threshold": threshold,
        "proper_names": not any_words,
        "max_words": max_words,
    }
    known = Labels.validate(names, arguments["descriptions"], multi_label=True).names
    for row in (*solved, *rows):
        LabelledText.parse(row, known, row.place)
    learning.check_precision(precision, rows, calibrate)
    chosen = options.ModelOptions(model, context_window)
    task = TextTask("entities", "NERChain", "finding entities", chosen, arguments, rows, precision)
    destination = Destination.choose(output, file, examples, calibrate, as_json=as_json, lines=as_lines)
    if as_lines:
        task.run_lines(file, destination)
        return
    _, found, fields = task.run(file, as_json=as_json)
    if not found and not as_json:
        console.note("the text has no such entities")
    if found or as_json or output:
        destination.write("entities", fields, columns(found))


def _parse(cell: str) -> Any:
    """Return the entities in a cell of a table."""
    try:
        return json.loads(cell or "[]")
    except (ValueError, RecursionError) as error:
        raise ValueError('JSON, such as [{"text": "Ada", "label": "person"}]') from error


def columns(found: Entities) -> str:
    """Return the entities in columns: offsets, label, probability and text."""
    offsets = [f"{entity.start}-{entity.end}" for entity in found]
    width, label_width = max(map(len, offsets), default=0), max((len(entity.label) for entity in found), default=0)
    return "\n".join(
        f"{place:>{width}}  {entity.label:<{label_width}}  {entity.score:6.1%}  {' '.join(entity.text.split())}"
        for place, entity in zip(offsets, found, strict=True)
    )
