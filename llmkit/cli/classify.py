"""`llmkit classify`: the label of a text, or of each line of a file."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import console, learning, options
from llmkit.cli.labelled_files import examples_help, read_labelled
from llmkit.cli.output import Destination
from llmkit.cli.texts import TextTask
from llmkit.errors import InputError
from llmkit.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from llmkit.chains import Classification

BAR_WIDTH = 24  # characters, of a probability of 1
LEAST_BAR_WIDTH = 4


def classify(
    file: options.Text = "-",
    *,
    labels: Annotated[str, typer.Option(metavar="LABELS", help="The labels, separated by commas.", show_default=False)],
    examples: Annotated[
        Path | None, typer.Option(metavar="FILE", help=examples_help('{"input": "…", "output": "label"}'))
    ] = None,
    show_examples: Annotated[
        bool | None,
        typer.Option(
            "--show-examples/--no-show-examples",
            help="Whether the examples are in the prompt; by default, if cross-validation shows that it helps.",
            show_default=False,
        ),
    ] = None,
    descriptions: learning.Descriptions = None,
    multi_label: Annotated[
        bool, options.switch("--multi-label/--no-multi-label", help="A text may have any number of the labels.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            min=0,
            max=1,
            help="Choose only labels with at least this probability.",
            show_default="none, with --multi-label 0.5",
        ),
    ] = None,
    calibrate: learning.Calibrate = None,
    precision: learning.Precision = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A prompt for classify, one of `llmkit prompts`.",
            autocompletion=lambda: options.prompts_for("classify"),
        ),
    ] = None,
    model: options.Model = DEFAULT_MODEL,
    context_window: options.ContextWindow = None,
    as_lines: options.Lines = False,
    output: options.Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Find which label fits a text, and how likely each is.

    The input is a file (text, a saved web page, an e-mail, subtitles or a PDF), or standard input (-).

    \b
    Examples:
      llmkit classify review.txt --labels positive,negative
      echo "The match ended 3 to 2." | llmkit classify --labels sports,business
      llmkit classify mails.txt --labels good,bad --lines --output out.jsonl
      llmkit classify talk.txt --labels money,health,travel --multi-label --json
      llmkit classify mails.txt --labels good,bad --lines --output table.csv
      llmkit classify q.txt --labels HUM,LOC --descriptions HUM="a person"
      llmkit classify mail.txt --labels good,bad --examples solved.jsonl
      llmkit classify mail.txt --labels good,bad --calibrate solved.jsonl \\
        --precision 0.9           a label only where 90 % of such were right
    """
    from llmkit.chains.labels import Labels

    names = options.split_labels(labels, 1 if multi_label else 2)
    split = partial(_split_labels, names) if multi_label else str
    solved, rows = (read_labelled(path, parse_cell=split, text_output=False) for path in (examples, calibrate))
    arguments: dict[str, Any] = {
        "labels": names,
        "descriptions": learning.read_descriptions(descriptions or (), names),
        "examples": solved,
        "show_examples": show_examples,
        "multi_label": multi_label,
        "threshold": threshold,
        "prompt": prompt,
    }
    known = Labels.validate(names, arguments["descriptions"], multi_label=multi_label)
    for row in (*solved, *rows):
        known.indices(row["output"], row.place)
    learning.check_precision(precision, rows, calibrate)
    if show_examples is not None and examples is None:
        raise InputError("--show-examples needs labelled texts: give --examples FILE")
    if prompt is not None:
        options.load_prompt(prompt, "classify", ["labels"])
    chosen = options.ModelOptions(model, context_window)
    task = TextTask("classify", "ZeroShotClassificationChain", "classifying", chosen, arguments, rows, precision)
    destination = Destination.choose(output, file, examples, calibrate, as_json=as_json, lines=as_lines)
    if as_lines:
        task.run_lines(file, destination)
        return
    chain, result, fields = task.run(file, as_json=as_json)
    if result.passages > 1:
        how = f"probabilities are means over {result.passages} passages"
        console.note(f"the text is longer than the model's context window: {how}")
    if not result.labels and not as_json:
        console.note(f"no label is as likely as {chain.threshold:g}")
    destination.write("classify", fields, ranking(result))


def _split_labels(names: Sequence[str], cell: str) -> str | list[str]:
    """Return the labels in a cell of a table, which are separated by semicolons, as those of `--output` are."""
    return cell if cell in names else [label.strip() for label in cell.split(";") if label.strip()]


def ranking(result: Classification) -> str:
    """Return the labels, the likeliest first, with their probabilities; those of the text are marked.

    Bars are as long as the terminal's width allows; on a narrow terminal there are none.
    """
    from rich.cells import cell_len, set_cell_size

    width = max(map(cell_len, result.scores))
    bar = min(BAR_WIDTH, shutil.get_terminal_size().columns - width - len("*    100.0%  "))
    rows = []
    for label, probability in sorted(result.scores.items(), key=lambda pair: -pair[1]):
        mark, length = "*" if label in result.labels else " ", round(bar * probability) if bar >= LEAST_BAR_WIDTH else 0
        rows.append(f"{mark}  {set_cell_size(label, width)}  {probability:6.1%}  {'#' * length}".rstrip())
    return "\n".join(rows)
