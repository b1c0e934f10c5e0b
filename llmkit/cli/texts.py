"""The commands that run a chain on a text, or on each line of a file: summarize, classify and entities."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from llmkit.cli import console, files, jsonl_batch, options
from llmkit.errors import InputError
from llmkit.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from llmkit.chains import Classification, Entities, SummarizationChain
    from llmkit.prompts.report import Report

BAR_WIDTH = 24  # characters, of a probability of 1
LEAST_BAR_WIDTH = 4


@options.with_model_options(temperature=0.0)
def summarize(
    file: options.Text = "-",
    prompt: Annotated[
        str,
        typer.Option(
            help="One of `llmkit prompts`.",
            autocompletion=lambda: [name for name in options.prompts() if name.startswith("summarize-")],
        ),
    ] = "summarize-text",
    strategy: Annotated[
        Literal["auto", "stuff", "map_reduce"],
        typer.Option(help="stuff: the whole text at once; map_reduce: part by part; auto: stuff if it fits."),
    ] = "auto",
    max_words: Annotated[int | None, typer.Option(min=1, help="The most words of the summary.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show how many tokens each part of the prompt takes, and stop there.")
    ] = False,
    *,
    model: options.ModelOptions,
    as_lines: options.Lines = False,
    output: options.Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Summarize a text or a conversation, of any length.

    The input is a file (text, a saved web page, subtitles or a PDF), or standard input (-).

    \b
    Examples:
      llmkit summarize meeting.txt --max-words 60
      llmkit summarize call.txt --prompt summarize-dialogue
      llmkit summarize calls.jsonl --lines --output summaries.jsonl
      llmkit summarize meeting.txt --explain    how many tokens each part takes
    """
    if explain and as_lines:
        raise InputError("--explain is for one text: leave out --lines")
    arguments: dict[str, Any] = {"strategy": strategy, "max_words": max_words, "max_new_tokens": model.max_new_tokens}
    if as_lines:
        settings = {"command": "summarize", "prompt": prompt, **arguments, **asdict(model)}
        jsonl_batch.run(file, output, lambda: _load(model, prompt, arguments), settings=settings)
        return
    files.check_output(output, file)
    text = files.read_text(file)
    options.load_prompt(prompt, ["max_words"])
    if explain:
        reports = [fitted.report for fitted in _load(model, prompt, arguments).plan(text)]
        files.write(
            json.dumps(list(map(asdict, reports)), ensure_ascii=False) if as_json else _explanation(reports), output
        )
        return
    model.check()
    with console.progress("summarizing") as update:
        chain = _load(model, prompt, arguments, lambda steps: update(completed=steps.done, total=steps.total))
        summary = chain.invoke(text)
    if not summary.complete:
        console.note(f"the summary was cut at {_limit(chain, model)}")
    files.write(summary.model_dump_json() if as_json else summary.text, output)


def _explanation(reports: Sequence[Report]) -> str:
    """Return the budget of each prompt as a table below a title."""
    titles = [f"Token budget of prompt {number} of {len(reports)}" for number in range(1, len(reports) + 1)]
    titles = titles if len(titles) > 1 else ["Token budget of the prompt"]
    return "\n\n".join(f"{title}\n\n{report}" for title, report in zip(titles, reports, strict=True))


def _limit(chain: SummarizationChain, model: options.ModelOptions) -> str:
    """Return what may have cut a summary: one of the limits that were given."""
    tokens, words = f"{chain.max_new_tokens} tokens: --max-new-tokens", f"{chain.max_words} words: --max-words"
    if chain.max_words is None:
        return tokens
    return words if model.max_new_tokens is None else f"{words}, or {tokens}"


def _load(
    model: options.ModelOptions, prompt: str, arguments: dict[str, Any], progress: Callable[[Any], None] | None = None
) -> SummarizationChain:
    loaded = {"prompt": options.load_prompt(prompt, ["max_words"]), "progress": progress}
    return cast("SummarizationChain", options.load_chain("SummarizationChain", model, arguments | loaded))


def classify(
    file: options.Text = "-",
    *,
    labels: Annotated[str, typer.Option(help="The labels, separated by commas.", show_default=False)],
    examples: Annotated[
        Path | None, typer.Option(help='Few-shot examples, one JSON object a line: {"input": "…", "output": "label"}.')
    ] = None,
    multi_label: Annotated[
        bool, options.switch("--multi-label/--no-multi-label", help="A text may have any number of the labels.")
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

    The input is a file (text, a saved web page, subtitles or a PDF), or standard input (-).

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
    load = partial(options.load_chain, "ZeroShotClassificationChain", options.ModelOptions(model), arguments)
    settings = {"command": "classify", "model": model, **arguments} if as_lines else None
    chain, result = _run(file, output, load, settings, "classifying", examples)
    if not result.labels and not as_json:
        console.note(f"no label is as likely as {chain.threshold:g}")
    files.write(result.model_dump_json() if as_json else ranking(result), output)


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
        options.switch("--any-words/--no-any-words", help="Find any words, as dates or foods, not only proper names."),
    ] = False,
    model: options.Model = DEFAULT_MODEL,
    as_lines: options.Lines = False,
    output: options.Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Find people, organizations and other entities.

    The input is a file (text, a saved web page, subtitles or a PDF), or standard input (-). Each line of the output is
    an entity: its characters in the text, label, probability and text.

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
    load = partial(options.load_chain, "NERChain", options.ModelOptions(model), arguments)
    settings = {"command": "entities", "model": model, **arguments} if as_lines else None
    _, found = _run(file, output, load, settings, "finding entities", examples)
    if not found and not as_json:
        console.note("the text has no such entities")
    if found or as_json or output:
        files.write(found.model_dump_json() if as_json else columns(found), output)


def columns(found: Entities) -> str:
    """Return the entities in columns: offsets, label, probability and text."""
    offsets = [f"{entity.start}-{entity.end}" for entity in found]
    width, label_width = max(map(len, offsets), default=0), max((len(entity.label) for entity in found), default=0)
    return "\n".join(
        f"{place:>{width}}  {entity.label:<{label_width}}  {entity.score:6.1%}  {' '.join(entity.text.split())}"
        for place, entity in zip(offsets, found, strict=True)
    )


def _run(
    file: str,
    output: Path | None,
    load_chain: Callable[[], Any],
    settings: Mapping[str, Any] | None,
    doing: str,
    examples: Path | None = None,
) -> tuple[Any, Any]:
    """Return a chain and its result for a text; with settings, write the results of all lines, and exit."""
    if settings:
        jsonl_batch.run(file, output, load_chain, settings=settings)
        raise typer.Exit
    files.check_output(output, file, examples)
    text, chain = files.read_text(file), load_chain()
    with console.progress(doing):
        return chain, chain.invoke(text)
