"""`llmkit summarize`: the summary of a text."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from llmkit.cli import completion, console, files, jsonl_batch, options
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.chains import SummarizationChain
    from llmkit.prompts.report import Report


@options.with_model_options(temperature=0.0)
def summarize(
    file: options.Text = "-",
    prompt: Annotated[
        str, typer.Option(help="One of `llmkit prompts`.", autocompletion=completion.summary_prompts)
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

    The input is a text file, or standard input (-).

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
    text = files.read_input(file, output)
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
    count = len(reports)
    titles = (
        f"Token budget of prompt {number} of {count}" if count > 1 else "Token budget of the prompt"
        for number in range(1, count + 1)
    )
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
