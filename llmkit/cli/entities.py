"""`llmkit entities`: the people, organizations, locations and other things that a text names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import console, files, jsonl_batch, options
from llmkit.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from llmkit.chains import Entities


def entities(
    file: options.Text = "-",
    *,
    labels: Annotated[str, typer.Option(help="What to find, separated by commas.")] = "person,organization,location",
    examples: Annotated[
        Path | None,
        typer.Option(
            help='Labelled examples, one JSON object a line: {"input": "…", "output": [{"text": "…", "label": "…"}]}.'
        ),
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="The least probability at which an entity is given.")
    ] = 0.5,
    any_words: Annotated[
        bool,
        typer.Option(
            "--any-words/--no-any-words",
            help="Find any words, such as dates or foods, and not only proper names.",
            show_default=False,
        ),
    ] = False,
    model: options.Model = DEFAULT_MODEL,
    as_lines: options.Lines = False,
    output: options.Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Find people, organizations and other entities.

    The input is a text file, or standard input (-). Each line of the output is an entity: its characters in the
    text, label, probability and text.

    \b
    Examples:
      llmkit entities article.txt
      echo "Ada Lovelace was born in London." | llmkit entities
      llmkit entities report.txt --labels drug,disease --any-words
      llmkit entities mails.jsonl --lines --output entities.jsonl
    """
    from llmkit.chains.labels import Labels
    from llmkit.chains.ner.calibration import LabelledText

    arguments: dict[str, Any] = {
        "labels": options.split_labels(labels),
        "examples": files.read_examples(examples),
        "threshold": threshold,
        "proper_names": not any_words,
    }
    known = Labels.validate(arguments["labels"], None, multi_label=True).names
    for number, example in enumerate(arguments["examples"], 1):
        LabelledText.parse(example, known, f"example {number}")

    def load() -> Any:
        return options.load_chain("NERChain", options.ModelOptions(model), arguments)

    if as_lines:
        jsonl_batch.run(file, output, load, settings={"command": "entities", "model": model, **arguments})
        return
    text = files.read_input(file, output, examples=examples)
    chain = load()
    with console.progress("finding entities"):
        found = chain.invoke(text)
    if not found and not as_json:
        console.note("the text has no such entities")
    if found or as_json or output:
        files.write(found.model_dump_json() if as_json else shown(found), output)


def shown(found: Entities) -> str:
    """Return the entities in columns: offsets, label, probability and text."""
    offsets = [f"{entity.start}-{entity.end}" for entity in found]
    width, label_width = max(map(len, offsets), default=0), max((len(entity.label) for entity in found), default=0)
    return "\n".join(
        f"{place:>{width}}  {entity.label:<{label_width}}  {entity.score:6.1%}  {' '.join(entity.text.split())}"
        for place, entity in zip(offsets, found, strict=True)
    )
