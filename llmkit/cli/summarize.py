"""`llmkit summarize`: a text in, its summary out."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from llmkit.cli import completion as completing
from llmkit.cli import files, options, progress
from llmkit.cli import jsonl_batch as lines
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.chains import SummarizationChain


@options.takes_model(temperature=0.0)
def summarize(
    file: Annotated[str, typer.Argument(help="A text file, or - for standard input.")] = "-",
    prompt: Annotated[
        str, typer.Option(help="One of `llmkit prompts`.", autocompletion=completing.summary_prompts)
    ] = "summarize-dialogue",
    strategy: Annotated[
        Literal["auto", "stuff", "map_reduce", "refine"],
        typer.Option(help="stuff: the whole text at once; map_reduce, refine: part by part; auto: stuff if it fits."),
    ] = "auto",
    max_words: Annotated[int | None, typer.Option(min=1, help="The most words that the summary may have.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the prompts' budgets; ask nothing.")] = False,
    *,
    model: options.ModelOptions,
    as_lines: options.Lines = False,
    output: options.Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Summarize a conversation or another text, of any length.

    \b
    llmkit summarize meeting.txt --max-words 60
    llmkit summarize article.txt --prompt summarize-text --strategy refine
    llmkit summarize calls.jsonl --lines --output summaries.jsonl
    llmkit summarize meeting.txt --explain      how the model's window would be spent
    """
    if explain and as_lines:
        raise InputError("--explain is for one text: leave out --lines")
    chosen: dict[str, Any] = {"strategy": strategy, "max_words": max_words, "max_new_tokens": model.max_new_tokens}

    load = partial(_chain, model, prompt, chosen, quiet=quiet)
    if as_lines:
        settings = {"command": "summarize", "prompt": prompt, **chosen, **asdict(model)}
        lines.run(file, output, lambda: lines.batches(load()), settings=settings, quiet=quiet)
        return
    text = files.read_input(file, output, quiet=quiet)
    options.load_prompt(prompt, ["max_words"])
    model.check(quiet=quiet)  # a download has a bar of its own
    if explain:
        reports = [each.report for each in load().plan(text)]
        told = json.dumps([asdict(each) for each in reports], ensure_ascii=False) if as_json else ""
        files.write(told or "\n\n".join(map(str, reports)), output)
        return
    with progress.bar("steps", quiet=quiet) as bar:
        chain = load(lambda done: bar.show(done.done, done.total))
        summary = chain.invoke(text)
    if not summary.complete and not quiet:
        typer.echo(f"note: the summary was cut at {_limit(chain, model)}", err=True)
    files.write(json.dumps(summary.model_dump(mode="json"), ensure_ascii=False) if as_json else summary.text, output)


def _limit(chain: SummarizationChain, model: options.ModelOptions) -> str:
    """Say what may have cut a summary: of two limits that were given, either."""
    tokens, words = f"{chain.max_new_tokens} tokens: --max-new-tokens", f"{chain.max_words} words: --max-words"
    if chain.max_words is None:
        return tokens
    return words if model.max_new_tokens is None else f"{words}, or {tokens}"


def _chain(
    model: options.ModelOptions, prompt: str, chosen: dict[str, Any], report: Any = None, *, quiet: bool
) -> SummarizationChain:
    further = {"prompt": options.load_prompt(prompt, ["max_words"]), "progress": report}
    return cast("SummarizationChain", options.load_chain("SummarizationChain", model, chosen | further, quiet=quiet))
