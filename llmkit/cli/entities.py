"""`llmkit entities`: what a text names, or each line of a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import console, options
from llmkit.cli.labelled_files import LabelledRow, examples_help, read_labelled
from llmkit.cli.learning import LearningOptions
from llmkit.cli.option_groups import LinesOptions, ModelOptions, with_option_groups
from llmkit.cli.texts import TextTask

if TYPE_CHECKING:
    from llmkit.chains import Entities

DEFAULT_LABELS = "person,organization,location"


@dataclass(frozen=True)
class EntityOptions:
    """What is found."""

    labels: Annotated[
        str | None,
        typer.Option(
            metavar="LABELS",
            help='What to find, separated by commas; "a, b" in quotation marks is one.',
            show_default=DEFAULT_LABELS,
        ),
    ] = None
    examples: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=examples_help('{"input": "…", "output": [{"text": "…", "label": "…"}]}')),
    ] = None
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            min=0,
            max=1,
            help="List only entities with at least this probability.",
            show_default="0.35",
        ),
    ] = None
    any_words: Annotated[
        bool,
        options.switch(
            "--any-words/--no-any-words",
            help="Find any words, also with labels that stand for people, organizations or places.",
        ),
    ] = False
    max_words: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, help="The most words of an entity.", show_default="6"),
    ] = None

    def read(self, learning: LearningOptions) -> tuple[dict[str, Any], list[LabelledRow]]:
        """Check all that is given; return the arguments of the chain, and the rows to calibrate it with."""
        from llmkit.chains.labels import Labels
        from llmkit.chains.ner.calibration import LabelledText

        if learning.load is not None:
            return {}, self._read_saved(learning.load, learning)
        names = options.split_labels(DEFAULT_LABELS if self.labels is None else self.labels)
        examples, rows = (_read_rows(path) for path in (self.examples, learning.calibrate))
        descriptions = learning.read_descriptions(names)
        known = Labels.validate(names, descriptions, multi_label=True).names
        for row in (*examples, *rows):
            LabelledText.parse(row, known, row.place)
        learning.check(rows)
        arguments = {"labels": names, "descriptions": descriptions, "examples": examples}
        given = {
            "threshold": self.threshold,
            "proper_names": False if self.any_words else None,
            "max_words": self.max_words,
        }
        return arguments | {name: value for name, value in given.items() if value is not None}, rows

    def _read_saved(self, folder: Path, learning: LearningOptions) -> list[LabelledRow]:
        """Return the rows to calibrate a chain with that is loaded; check that no option contradicts what was saved."""
        from llmkit.chains.ner.calibration import LabelledText
        from llmkit.chains.ner.saving import SavedNER
        from llmkit.chains.saving import read_chain

        saved, _ = read_chain(folder, SavedNER)
        learning.refuse_saved(
            labels=self.labels,
            descriptions=learning.descriptions,
            examples=self.examples,
            threshold=self.threshold,
            any_words=self.any_words or None,
            max_words=self.max_words,
        )
        rows = _read_rows(learning.calibrate)
        for row in rows:
            LabelledText.parse(row, list(saved.labels), row.place)
        learning.check(rows)
        return rows


@with_option_groups()
def entities(
    file: options.Text = "-",
    *,
    entity: EntityOptions,
    learning: LearningOptions,
    model: ModelOptions,
    output: LinesOptions,
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
      llmkit entities a.txt --calibrate solved.jsonl --error 0.2 --save fitted
                                at most 20 % false, and kept for --load fitted
    """
    arguments, rows = entity.read(learning)
    targets = learning.targets()
    task = TextTask("entities", "finding entities", model, arguments, rows, targets, learning.save, learning.load)
    destination = output.destination(file, entity.examples, learning.calibrate)
    if output.as_lines:
        task.run_lines(file, destination)
        return
    _, found, fields = task.run(file, as_json=output.as_json)
    if not found and not output.as_json:
        console.note("the text has no such entities")
    if found or output.as_json or output.output:
        destination.write("entities", fields, columns(found))


def _read_rows(path: Path | None) -> list[LabelledRow]:
    return read_labelled(path, parse_cell=_parse, text_output=False)


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
