"""`llmkit summarize`: a text in, its summary out."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from llmkit.cli import options


def summarize(
    file: Annotated[str, typer.Argument(help="A text file, or - for standard input.")],
    prompt: Annotated[str, typer.Option(help="One of `llmkit prompts`.")] = "summarize-dialogue",
    model: options.Model = options.DEFAULT_MODEL,
    max_new_tokens: Annotated[int, typer.Option(help="The most tokens that the summary may have.")] = 96,
    temperature: options.Temperature = 0.0,
    top_k: options.TopK = None,
    top_p: options.TopP = None,
    seed: options.Seed = None,
    stop: options.Stop = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the prompt's budget; ask nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Summarize a conversation or another text.

    \b
    llmkit summarize meeting.txt
    cat call.txt | llmkit summarize -
    llmkit summarize article.txt --prompt summarize-text --max-new-tokens 60
    llmkit summarize meeting.txt --explain      how the model's window would be spent
    """
    text = options.read_text(file)
    from llmkit.prompts import TaskPrompt

    task = TaskPrompt.load(prompt)
    llm = options.load_model(
        model,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        stop=stop,
    )
    from llmkit.chains import SummarizationChain

    chain = SummarizationChain(llm, prompt=task, max_new_tokens=max_new_tokens)
    if explain:
        typer.echo("\n\n".join(str(prompt.report) for prompt in chain.plan(text)))
        return
    summary = chain.invoke(text)
    if not summary.complete:
        typer.echo(f"note: the summary was cut at {max_new_tokens} tokens: --max-new-tokens", err=True)
    typer.echo(json.dumps(summary.model_dump(), ensure_ascii=False) if as_json else summary.text)
