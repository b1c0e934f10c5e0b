"""`llmkit summarize`: a summary of a text, or of each line of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from llmkit.cli import console, files, learning, options
from llmkit.cli.labelled_files import examples_help, read_labelled
from llmkit.cli.option_groups import GenerationOptions, LinesOptions, with_option_groups
from llmkit.cli.output import Destination
from llmkit.cli.texts import CommandWorker
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.chains import SummarizationChain
    from llmkit.prompts.report import Report


@dataclass(frozen=True)
class SummaryOptions:
    """How the text is summarized."""

    prompt: Annotated[str, options.prompt_for("summarize")] = "summarize-text"
    strategy: Annotated[
        Literal["auto", "stuff", "map_reduce"],
        typer.Option(help="stuff: the whole text at once; map_reduce: part by part; auto: stuff if it fits."),
    ] = "auto"
    max_words: Annotated[int | None, typer.Option(metavar="NUMBER", min=1, help="The most words of the summary.")] = (
        None
    )
    candidates: Annotated[
        int,
        typer.Option(
            metavar="NUMBER", min=1, help="Take, of so many summaries, the one that agrees most with the others."
        ),
    ] = 1
    examples: Annotated[
        Path | None, typer.Option(metavar="FILE", help=examples_help('{"input": "…", "output": "…"}'))
    ] = None
    explain: Annotated[
        bool, typer.Option("--explain", help="Show how many tokens each part of the prompt takes, and stop there.")
    ] = False


@with_option_groups(temperature=0.0)
def summarize(
    context: typer.Context,
    file: options.Text = "-",
    *,
    summary: SummaryOptions,
    model: GenerationOptions,
    output: LinesOptions,
) -> None:
    """Summarize a text or a conversation, of any length.

    The input is a file (text, a saved web page, an e-mail, subtitles or a PDF), or standard input (-).

    \b
    Examples:
      llmkit summarize meeting.txt --max-words 60
      llmkit summarize call.txt --prompt summarize-dialogue --candidates 6
      llmkit summarize calls.jsonl --lines --output summaries.jsonl
      llmkit summarize calls.jsonl --lines --output summaries.csv    a table
      llmkit summarize call.txt --examples calls-and-summaries.jsonl
      llmkit summarize meeting.txt --explain    how many tokens each part takes
    """
    from llmkit.chains.inputs import validate_length
    from llmkit.chains.summarization.consensus import validate_candidates

    if summary.explain and output.as_lines:
        raise InputError("--explain is for one text: leave out --lines")
    validate_candidates(summary.candidates)
    if summary.candidates == 1 and (unused := model.explain_unused(context)):
        console.note(unused)
    destination = output.destination(file, summary.examples)
    if summary.explain and destination.format not in ("text", "json"):
        raise InputError(f"--explain is text or JSON: name a .txt or .json file, not {output.output}")
    arguments: dict[str, Any] = {
        "examples": read_labelled(summary.examples),
        "strategy": summary.strategy,
        "max_words": summary.max_words,
        "candidates": summary.candidates,
        "max_new_tokens": model.max_new_tokens,
    }
    if output.as_lines:
        spec = model.spec("summarize", {"prompt": summary.prompt, **arguments})
        worker = CommandWorker(spec, lambda: _load_and_learn(model, summary.prompt, arguments)[0])
        destination.run_lines("summarize", file, worker)
        return
    text = files.read_text(file)
    validate_length(text)  # before the model is loaded
    options.load_prompt(summary.prompt, "summarize", ["max_words"]).with_examples(arguments["examples"])
    show = _explain if summary.explain else _summarize
    show(text, summary.prompt, model, arguments, destination)


def _explain(
    text: str, prompt: str, model: GenerationOptions, arguments: dict[str, Any], destination: Destination
) -> None:
    with console.progress("dividing the text"):
        reports = [fitted.report for fitted in _load(model, prompt, arguments).plan(text)]
    destination.write("summarize", list(map(asdict, reports)), _explanation(reports))


def _summarize(
    text: str, prompt: str, model: GenerationOptions, arguments: dict[str, Any], destination: Destination
) -> None:
    from llmkit.chains.summarization.support import UNSUPPORTED

    model.check()
    chain, learned = _load_and_learn(model, prompt, arguments, notes=destination.format != "json")
    with console.progress("summarizing") as update:
        chain.progress = lambda steps: update(completed=steps.done, total=steps.total)
        summary = chain.invoke(text)
    if not summary.complete:
        console.note(f"the summary reached {_limit(chain, model)}, and ends there")
    for sentence in summary.left_out:
        console.note(f"left out, because the text does not support it: {sentence.text}")
    if UNSUPPORTED in summary.notices:
        console.note(UNSUPPORTED)
    destination.write("summarize", {**summary.model_dump(mode="json"), **learned}, summary.text)


def _explanation(reports: Sequence[Report]) -> str:
    """Return the budget of each prompt, as a table below a title."""
    if not reports:
        return "The text is so short that it is its own summary: there is no prompt"
    titles = [f"Token budget of prompt {number} of {len(reports)}" for number in range(1, len(reports) + 1)]
    titles = titles if len(titles) > 1 else ["Token budget of the prompt"]
    return "\n\n".join(f"{title}\n\n{report}" for title, report in zip(titles, reports, strict=True))


def _limit(chain: SummarizationChain, model: GenerationOptions) -> str:
    """Return the limit that ended a summary, or both where both were given."""
    tokens = f"--max-new-tokens, {_count(chain.max_new_tokens, 'token')}"
    words = f"--max-words, {_count(chain.max_words, 'word')}"
    if chain.max_words is None:
        return f"the limit of {tokens}"
    return f"the limit of {words}" if model.max_new_tokens is None else f"a limit ({words}; {tokens})"


def _count(number: int | None, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _load(model: GenerationOptions, prompt: str, arguments: dict[str, Any]) -> SummarizationChain:
    loaded = {"prompt": options.load_prompt(prompt, "summarize", ["max_words"])}
    return cast("SummarizationChain", model.load_chain("SummarizationChain", arguments | loaded))


def _load_and_learn(
    model: GenerationOptions, prompt: str, arguments: dict[str, Any], *, notes: bool = True
) -> tuple[SummarizationChain, dict[str, Any]]:
    """Return the chain, and what it does with the examples as fields of `--json`, noted if `notes`."""
    chain = _load(model, prompt, arguments)
    learned = learning.learn(chain, (), {})
    for note in learning.notes(learned) if notes else ():
        console.note(note)
    return chain, learned
