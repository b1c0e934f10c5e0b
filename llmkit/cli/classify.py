"""`llmkit classify`: the label of a text, and the probability of each label."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import console, files, jsonl_batch, options
from llmkit.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from llmkit.chains import Classification

BAR_WIDTH = 24  # characters, of a probability of 1
LEAST_BAR_WIDTH = 4


def classify(
    file: options.Text = "-",
    *,
    labels: Annotated[str, typer.Option(help="The labels, separated by commas.", show_default=False)],
    examples: Annotated[
        Path | None, typer.Option(help='Few-shot examples, one JSON object a line: {"input": "…", "output": "label"}.')
    ] = None,
    multi_label: Annotated[
        bool,
        typer.Option(
            "--multi-label/--no-multi-label", help="A text may have any number of the labels.", show_default=False
        ),
    ] = False,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="The least probability at which a label is given.")
    ] = None,
    model: options.Model = DEFAULT_MODEL,
    as_lines: options.Lines = False,
    output: options.Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Find which label fits a text, and how likely each is.

    The input is a text file, or standard input (-).

    \b
    Examples:
      llmkit classify review.txt --labels positive,negative
      echo "The match ended 3 to 2." | llmkit classify --labels sports,business
      llmkit classify mails.txt --labels good,bad --lines --output out.jsonl
      llmkit classify talk.txt --labels money,health,travel --multi-label --json
    """
    from llmkit.chains.labels import Labels

    arguments: dict[str, Any] = {
        "labels": options.split_labels(labels),
        "examples": files.read_examples(examples),
        "multi_label": multi_label,
        "threshold": threshold,
    }
    Labels.validate(arguments["labels"], None, multi_label=multi_label).verbalize(arguments["examples"])

    def load() -> Any:
        return options.load_chain("ZeroShotClassificationChain", options.ModelOptions(model), arguments)

    if as_lines:
        jsonl_batch.run(file, output, load, settings={"command": "classify", "model": model, **arguments})
        return
    text = files.read_input(file, output, examples=examples)
    chain = load()
    with console.progress("classifying"):
        result = chain.invoke(text)
    if not result.labels and not as_json:
        console.note(f"no label is as likely as {chain.threshold:g}")
    files.write(result.model_dump_json() if as_json else shown(result), output)


def shown(result: Classification) -> str:
    """Return the labels, the likeliest first, with their probabilities; those of the text are marked.

    Bars are as long as the terminal's width allows; on a narrow terminal there are none.
    """
    from rich.cells import cell_len, set_cell_size

    ranked = sorted(result.scores.items(), key=lambda pair: -pair[1])
    width = max(map(cell_len, result.scores))
    bar = min(BAR_WIDTH, shutil.get_terminal_size().columns - width - len("*    100.0%  "))
    rows = (
        (
            "*" if label in result.labels else " ",
            set_cell_size(label, width),
            f"{probability:6.1%}",
            "#" * round(bar * probability) if bar >= LEAST_BAR_WIDTH else "",
        )
        for label, probability in ranked
    )
    return "\n".join("  ".join(row).rstrip() for row in rows)
