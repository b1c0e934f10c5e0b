"""`llmkit classify`: the label of a text, or of each line of a file."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import console, options
from llmkit.cli.labelled_files import LabelledRow, examples_help, read_labelled
from llmkit.cli.learning import LearningOptions
from llmkit.cli.option_groups import LinesOptions, ModelOptions, with_option_groups
from llmkit.cli.texts import TextTask
from llmkit.errors import InputError
from llmkit.models import DEFAULT_EMBEDDER

if TYPE_CHECKING:
    from llmkit.chains import Classification

BAR_WIDTH = 24  # characters, of a probability of 1
LEAST_BAR_WIDTH = 4


@dataclass(frozen=True)
class LabelOptions:
    """The labels, and how they are chosen."""

    labels: Annotated[
        str | None,
        typer.Option(
            metavar="LABELS",
            help='The labels, separated by commas; "a, b" in quotation marks is one.',
            show_default=False,
        ),
    ] = None
    examples: Annotated[
        Path | None, typer.Option(metavar="FILE", help=examples_help('{"input": "…", "output": "label"}'))
    ] = None
    show_examples: Annotated[
        bool | None,
        typer.Option(
            "--show-examples/--no-show-examples",
            help="Whether the examples are in the prompt; by default, if cross-validation shows that it helps.",
            show_default=False,
        ),
    ] = None
    embedder: Annotated[
        bool,
        options.switch(
            "--embedder/--no-embedder",
            help="Judge by a small sentence embedder, too; together they learn more from --examples.",
        ),
    ] = False
    multi_label: Annotated[
        bool, options.switch("--multi-label/--no-multi-label", help="A text may have any number of the labels.")
    ] = False
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            min=0,
            max=1,
            help="Choose only labels with at least this probability.",
            show_default="none, with --multi-label 0.5",
        ),
    ] = None
    prompt: Annotated[str | None, options.prompt_for("classify")] = None

    def read(self, learning: LearningOptions) -> tuple[dict[str, Any], list[LabelledRow]]:
        """Check all that is given; return the arguments of the chain, and the rows to calibrate it with."""
        from llmkit.chains.labels import Labels

        if learning.load is not None:
            return self._read_saved(learning.load, learning)
        if self.labels is None:
            raise InputError("there are no labels: give --labels, as in --labels good,bad, or --load FOLDER")
        names = options.split_labels(self.labels, 1 if self.multi_label else 2)
        examples, rows = (_read_rows(path, names, self.multi_label) for path in (self.examples, learning.calibrate))
        descriptions = learning.read_descriptions(names)
        known = Labels.validate(names, descriptions, multi_label=self.multi_label)
        for row in (*examples, *rows):
            known.indices(row["output"], row.place)
        learning.check(rows)
        if self.show_examples is not None and self.examples is None:
            raise InputError("--show-examples needs labelled texts: give --examples FILE")
        if self.prompt is not None:
            options.load_prompt(self.prompt, "classify", ["labels"])
        learned = {"labels": names, "descriptions": descriptions, "examples": examples}
        return {**vars(self), **learned, "embedder": DEFAULT_EMBEDDER if self.embedder else None}, rows

    def _read_saved(self, folder: Path, learning: LearningOptions) -> tuple[dict[str, Any], list[LabelledRow]]:
        """Return the arguments for loading a chain, and the rows to calibrate it with."""
        from llmkit.chains.classification.saving import SavedClassifier
        from llmkit.chains.labels import Labels, preview
        from llmkit.chains.saving import read_chain

        saved, _ = read_chain(folder, SavedClassifier)
        names = list(saved.labels)
        if self.labels is not None and sorted(options.split_labels(self.labels)) != sorted(names):
            raise InputError(f"{folder} was saved with the labels {preview(names)}: leave --labels out")
        learning.refuse_saved(
            examples=self.examples,
            show_examples=self.show_examples,
            descriptions=learning.descriptions,
            threshold=self.threshold,
            multi_label=self.multi_label or None,
        )
        rows = _read_rows(learning.calibrate, names, saved.multi_label)
        known = Labels.validate(names, None, multi_label=saved.multi_label)
        for row in rows:
            known.indices(row["output"], row.place)
        learning.check(rows)
        embedder = DEFAULT_EMBEDDER if saved.noise_variance is not None else None
        return {"embedder": embedder, "prompt": self.prompt}, rows


@with_option_groups()
def classify(
    file: options.Text = "-",
    *,
    labels: LabelOptions,
    learning: LearningOptions,
    model: ModelOptions,
    output: LinesOptions,
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
      llmkit classify mails.txt --labels good,bad --examples solved.jsonl \\
        --embedder --save fitted  learn once
      llmkit classify mails.txt --load fitted --lines --output out.jsonl
      llmkit classify mail.txt --labels good,bad --calibrate solved.jsonl \\
        --precision 0.9           a label only where 90 % of such were right
      llmkit classify mail.txt --labels good,bad --calibrate solved.jsonl \\
        --error 0.1               guarantee it of other mails, too
    """
    arguments, rows = labels.read(learning)
    targets = learning.targets()
    task = TextTask("classify", "classifying", model, arguments, rows, targets, learning.save, learning.load)
    destination = output.destination(file, labels.examples, learning.calibrate)
    if output.as_lines:
        task.run_lines(file, destination)
        return
    chain, result, fields = task.run(file, as_json=output.as_json)
    if result.passages > 1:
        how = f"probabilities are means over {result.passages} passages"
        console.note(f"the text is longer than the model's context window: {how}")
    if not result.labels and not output.as_json:
        console.note(f"no label is as likely as {chain.threshold:g}")
    destination.write("classify", fields, ranking(result))


def _read_rows(path: Path | None, names: Sequence[str], multi_label: bool) -> list[LabelledRow]:
    split = partial(_split_labels, names) if multi_label else str
    return read_labelled(path, parse_cell=split, text_output=False)


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
