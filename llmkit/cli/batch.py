"""`llmkit batch`: a chain on millions of rows, on this machine, Ray or Spark."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llmkit.batch.spec import ChainSpec
from llmkit.cli import console, hints, option_names, options
from llmkit.cli.ask import AnswerOptions, read_saved
from llmkit.cli.classify import LabelOptions
from llmkit.cli.entities import EntityOptions
from llmkit.cli.help_text import FittedGroup
from llmkit.cli.labelled_files import read_labelled
from llmkit.cli.learning import CalibrationOptions, LearningOptions
from llmkit.cli.option_groups import GenerationOptions, ModelOptions, with_option_groups
from llmkit.cli.summarize import SummaryOptions
from llmkit.errors import RunError
from llmkit.models import DEFAULT_EMBEDDER

if TYPE_CHECKING:
    from llmkit.batch import Summary

RowFiles = Annotated[
    str, typer.Argument(metavar="INPUT", help="A .jsonl or .parquet file, or a folder of them.", show_default=False)
]

app = typer.Typer(cls=FittedGroup, rich_markup_mode=None, no_args_is_help=True)


@app.callback(epilog=options.EPILOG)
def batch(context: typer.Context) -> None:
    """Run a task on millions of rows, on this machine, Ray or Spark.

    The input has a row for each document, with the columns id and text. The output is a folder of files in the same
    format, with three more columns: result, error and meta, which are JSON. The same command continues a run that was
    interrupted, whatever ended it.

    \b
    Examples:
      llmkit batch classify mails.jsonl --output out --labels good,bad
      llmkit batch classify mails.parquet --output out --labels good,bad \\
        --workers 4
      llmkit batch entities articles/ --output out --engine ray --gpus 1
      llmkit batch summarize calls.jsonl --output out --retry-failed
      llmkit batch ask notes.jsonl --output out --question "Who comes?"
    """
    group: Any = context.command
    if context.invoked_subcommand is not None:
        option_names.use(options.by_name(group.commands[context.invoked_subcommand]))


@dataclass(frozen=True)
class BatchOptions:
    """Where rows are computed and written."""

    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Write part files to this folder, in the format of the input.")
    ]
    engine: Annotated[
        Literal["local", "ray", "spark"],
        typer.Option(
            help="What gives rows to workers: local, processes of this machine; ray, Ray Data (llmkit[ray]); "
            "spark, Spark (llmkit[spark])."
        ),
    ] = "local"
    workers: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="How many processes compute, each with its own model.")
    ] = 1
    batch_size: Annotated[
        int,
        typer.Option(
            metavar="ROWS",
            min=1,
            help="Rows that are computed and written together: what an interruption may cost each worker.",
        ),
    ] = 32
    gpus: Annotated[float, typer.Option(metavar="NUMBER", min=0, help="GPUs of each worker of Ray.")] = 0
    id_column: Annotated[str, typer.Option(metavar="NAME", help="The column with a different id in each row.")] = "id"
    text_column: Annotated[str, typer.Option(metavar="NAME", help="The column with the text.")] = "text"
    device: Annotated[str, typer.Option(metavar="NAME", help="Where the model computes: auto, cpu, cuda or mps.")] = (
        "auto"
    )
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        typer.Option(
            help="The data type of the model; float32 computes each text alone: the same bits in all batches."
        ),
    ] = "auto"
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Compute rows that have an error again.")] = False
    as_json: options.Json = False
    quiet: options.Quiet = False

    def run(self, source: str, spec: ChainSpec) -> None:
        """Run a specification on all rows that are not done, and show what was done.

        Raises:
            RunError: rows have errors; all are written.
        """
        from llmkit.batch import run_batch

        start, done, is_loading = time.monotonic(), 0, False
        with ExitStack() as stack:
            stack.enter_context(console.progress(f"preparing {spec.model}"))
            update: Any = None

            def progress(completed: int, total: int) -> None:
                nonlocal update, done, is_loading
                done = completed
                if update is None:
                    stack.close()
                    if not is_loading and completed < total:  # the first rows are done when the model is loaded
                        is_loading = True
                        stack.enter_context(console.progress(f"loading {spec.model}"))
                        return
                    shown = console.progress("documents", total, completed=completed, shows_rate=True)
                    update = stack.enter_context(shown)
                update(completed=completed)

            try:
                summary = run_batch(spec, source, self.output, progress=progress, **self._arguments())
            except KeyboardInterrupt:
                console.note(f"{done} documents are done; the same command continues")
                raise
        self._show(summary, time.monotonic() - start)

    def _arguments(self) -> dict[str, Any]:
        names = ("engine", "id_column", "workers", "gpus", "retry_failed")
        return {name: getattr(self, name) for name in names} | {"batch_rows": self.batch_size}

    def _show(self, summary: Summary, seconds: float) -> None:
        if self.as_json:
            console.output_json(asdict(summary) | {"seconds": round(seconds, 1)})
        else:
            rate = (
                f"{summary.computed} computed in {seconds:.0f} s, {summary.computed / max(seconds, 1e-9):.1f} a second"
            )
            console.output(f"{summary.rows} documents are in {self.output}; {rate}")
        if summary.failed:
            first = f"first id {summary.first_failed}: {json.loads(summary.first_error)['message']}"
            raise RunError(f"{summary.failed} of {summary.rows} documents failed, {first}; --retry-failed tries again")

    def spec(self, chain: str, model: ModelOptions, arguments: Mapping[str, Any], **others: Any) -> ChainSpec:
        """Return what is computed."""
        where = {"device": self.device, "dtype": self.dtype, "text_column": self.text_column}
        return model.spec(chain, arguments, **where, **others)


@with_option_groups(without=["save"])
def classify(
    file: RowFiles, *, labels: LabelOptions, learning: LearningOptions, model: ModelOptions, batch: BatchOptions
) -> None:
    """Find which label fits each text, and how likely each is.

    The input has a row for each text, with the columns id and text. Options are those of llmkit classify; their
    settings in config.toml are used.

    \b
    Examples:
      llmkit batch classify mails.jsonl --output out --labels good,bad
      llmkit batch classify mails.parquet --output out --labels good,bad \\
        --examples solved.jsonl --workers 4
      llmkit batch classify mails/ --output out --load fitted --engine spark
    """
    arguments, rows = labels.read(learning)
    calibration = {"rows": rows, **learning.targets()} if rows else {}
    batch.run(file, batch.spec("classify", model, arguments, calibration=calibration, saved=learning.saved))


@with_option_groups(without=["save"])
def entities(
    file: RowFiles, *, entity: EntityOptions, learning: LearningOptions, model: ModelOptions, batch: BatchOptions
) -> None:
    """Find people, organizations and other entities in each text.

    The input has a row for each text, with the columns id and text. Options are those of llmkit entities; their
    settings in config.toml are used.

    \b
    Examples:
      llmkit batch entities articles.parquet --output out
      llmkit batch entities reports.jsonl --output out --labels drug,disease \\
        --any-words --text-column body
      llmkit batch entities articles/ --output out --engine ray --workers 8
    """
    arguments, rows = entity.read(learning)
    calibration = {"rows": rows, **learning.targets()} if rows else {}
    batch.run(file, batch.spec("entities", model, arguments, calibration=calibration, saved=learning.saved))


@with_option_groups(temperature=0.0, without=["explain"])
def summarize(
    context: typer.Context, file: RowFiles, *, summary: SummaryOptions, model: GenerationOptions, batch: BatchOptions
) -> None:
    """Summarize each text or conversation, of any length.

    The input has a row for each text, with the columns id and text. Options are those of llmkit summarize; their
    settings in config.toml are used.

    \b
    Examples:
      llmkit batch summarize meetings.jsonl --output out --max-words 60
      llmkit batch summarize calls.parquet --output out --workers 2
      llmkit batch summarize calls/ --output out --engine ray --gpus 1
    """
    if unused := model.explain_unused(context):
        console.note(unused)
    options.load_prompt(summary.prompt, "summarize", ["max_words"])
    arguments = {
        "prompt": summary.prompt,
        "examples": read_labelled(summary.examples),
        "strategy": summary.strategy,
        "max_words": summary.max_words,
        "max_new_tokens": model.max_new_tokens,
    }
    batch.run(file, batch.spec("summarize", model, arguments))


@dataclass(frozen=True)
class QuestionOptions:
    """What each text is asked."""

    question: Annotated[str | None, typer.Option(metavar="TEXT", help="The question about each text.")] = None
    question_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column with the question about the text of its row.")
    ] = None


@with_option_groups(without=["calibrate", "precision", "error", "confidence", "save"])
def ask(
    file: RowFiles,
    *,
    asked: QuestionOptions,
    answering: AnswerOptions,
    learning: CalibrationOptions,
    model: ModelOptions,
    batch: BatchOptions,
) -> None:
    """Answer a question about each text, with quotes.

    The input has a row for each text, with the columns id and text. The question is the same for all texts, or in a
    column of its own. Other options are those of llmkit ask; their settings in config.toml are used.

    \b
    Examples:
      llmkit batch ask notes.jsonl --output out --question "Who comes?"
      llmkit batch ask pairs.parquet --output out --question-column question
      llmkit batch ask notes/ --output out --question "Who comes?" --workers 4
    """
    saved = read_saved(answering, learning)
    has_embedder = saved.has_embedder if saved else answering.embedder
    arguments = {} if saved else answering.arguments(read_labelled(answering.examples, "question"))
    arguments |= {"embedder": DEFAULT_EMBEDDER if has_embedder else None}
    batch.run(file, batch.spec("ask", model, arguments, saved=learning.saved, **asdict(asked)))


for _command in (classify, entities, summarize, ask):
    app.command(epilog=options.EPILOG, cls=hints.HelpfulCommand)(_command)
