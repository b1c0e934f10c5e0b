"""`llmkit classify`: a text in, its label and the probability of each out."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import files, options, progress
from llmkit.cli import jsonl_batch as lines
from llmkit.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from llmkit.chains import Classification

WIDTH = 24  # of a bar for the probability one
NARROWEST = 4


def classify(
    file: Annotated[str, typer.Argument(help="A text file, or - for standard input.")] = "-",
    *,
    labels: Annotated[str, typer.Option(help="The labels, with commas between.", show_default=False)],
    examples: Annotated[
        Path | None, typer.Option(help='Solved examples: {"input": text, "output": label}, one a line.')
    ] = None,
    multi_label: Annotated[
        bool,
        typer.Option("--multi-label/--no-multi-label", help="Any number of the labels may hold.", show_default=False),
    ] = False,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="The least probability of an answer; below it there is none.")
    ] = None,
    model: options.Model = DEFAULT_MODEL,
    as_lines: options.Lines = False,
    output: options.Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Say which label fits a text, and how likely each is.

    \b
    llmkit classify review.txt --labels positive,negative
    echo "The match ended 3 to 2." | llmkit classify --labels sports,politics,business
    llmkit classify mails.txt --lines --labels complaint,question,praise --output labels.jsonl
    llmkit classify talk.txt --labels money,health,travel --multi-label --json
    """
    from llmkit.chains.labels import Labels

    chosen: dict[str, Any] = {
        "labels": options.listed(labels),
        "examples": files.read_examples(examples),
        "multi_label": multi_label,
        "threshold": threshold,
    }
    Labels.validate(chosen["labels"], None, multi_label=multi_label).verbalize(chosen["examples"])
    load = partial(options.load_chain, "ZeroShotClassificationChain", options.ModelOptions(model), chosen, quiet=quiet)
    if as_lines:
        settings = {"command": "classify", "model": model, **chosen}
        lines.run(file, output, lambda: lines.batches(load()), settings=settings, quiet=quiet)
        return
    text = files.read_input(file, output, examples=examples, quiet=quiet)
    chain = load()
    with progress.waiting("reading", quiet=quiet):
        result = chain.invoke(text)
    if not result.labels and not quiet and not as_json:
        typer.echo(f"note: no label is as likely as {chain.threshold:g}", err=True)
    files.write(json.dumps(result.model_dump(mode="json"), ensure_ascii=False) if as_json else shown(result), output)


def shown(result: Classification) -> str:
    """Give the labels, the likeliest first, with their probabilities; those that hold are marked.

    Bars are as long as the terminal is wide enough for; there are none where hardly any room is left.
    """
    from rich.cells import cell_len, set_cell_size

    ranked = sorted(result.scores.items(), key=lambda pair: -pair[1])
    width = max(map(cell_len, result.scores))
    bar = min(WIDTH, shutil.get_terminal_size().columns - width - len("*    100.0%  "))
    rows = (
        (
            "*" if label in result.labels else " ",
            set_cell_size(label, width),
            f"{chance:6.1%}",
            "#" * round(bar * chance) if bar >= NARROWEST else "",
        )
        for label, chance in ranked
    )
    return "\n".join("  ".join(row).rstrip() for row in rows)
