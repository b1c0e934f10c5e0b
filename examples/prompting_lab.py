"""What a prompt does to a summary: no prompt, an instruction, a template, one and three examples.

    python examples/prompting_lab.py --data dialogsum_rows.jsonl

The file holds one dialogue a line, as JSON with `row`, `dialogue` and `summary`. Rows 40, 80 and 120 of
DialogSum's test set are the examples, rows 200 and 205 are summarized. Each answer is printed beside the human
summary, with the tokens of its prompt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from langchain_core.language_models import BaseChatModel
from rich.console import Console
from rich.table import Table

from llmkit.prompts import FittedPrompt, TaskPrompt

EXAMPLES, SUMMARIZED = (40, 80, 120), (200, 205)
MAX_NEW_TOKENS = 50


@dataclass(frozen=True)
class Trial:
    """A prompt, and the settings to answer it with."""

    name: str
    prompt: TaskPrompt
    settings: Mapping[str, Any] = field(default_factory=dict)


def trials(examples: Sequence[dict[str, str]]) -> list[Trial]:
    """Return the lab's steps, from no prompt at all to sampling at a high temperature."""
    template = TaskPrompt.load("summarize-flan")
    few = template.with_examples(examples)
    return [
        Trial("no prompt", TaskPrompt()),
        Trial("instruction", TaskPrompt("Summarize the following conversation.", output_label="Summary")),
        Trial("FLAN template", template),
        Trial("one-shot", template.with_examples(examples[:1])),
        Trial("few-shot", few),
        Trial("few-shot, 10 tokens", few, {"max_new_tokens": 10}),
        *(Trial(f"few-shot, temperature {t}", few, {"temperature": t, "seed": 0}) for t in (0.1, 0.5, 1.0)),
    ]


def answer(trial: Trial, dialogue: str, llm: BaseChatModel) -> tuple[FittedPrompt, str]:
    """Return the prompt that the model got and its answer, up to where a next example would begin."""
    settings = {"temperature": 0, "max_new_tokens": MAX_NEW_TOKENS, **trial.settings}
    fitted = trial.prompt.fit(dialogue, model=llm, max_new_tokens=settings["max_new_tokens"])
    reply = llm.invoke(fitted, stop=list(fitted.stop) or None, **settings)
    return fitted, str(reply.text).strip()


def read(data: Path) -> dict[int, dict[str, str]]:
    """Read the rows by their number, without the white space around a dialogue."""
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {row["row"]: {"input": row["dialogue"].strip(), "output": row["summary"]} for row in rows}


def main(
    data: Annotated[Path, typer.Option(help="JSON lines with row, dialogue and summary.")],
    model: Annotated[str, typer.Option(help="A model's name, folder or .gguf file.")] = "smollm2-135m",
) -> None:
    """Print a table of answers for each of the two dialogues."""
    from llmkit import HuggingFaceChat

    rows, llm, console = read(data), HuggingFaceChat(model=model), Console()
    for number in SUMMARIZED:
        table = Table("prompt", "tokens", "answer", title=f"Row {number}", show_lines=True)
        for trial in trials([rows[example] for example in EXAMPLES]):
            fitted, text = answer(trial, rows[number]["input"], llm)
            table.add_row(trial.name, str(fitted.tokens), text)
        table.add_row("human summary", "", rows[number]["output"], style="bold")
        console.print(rows[number]["input"], markup=False, highlight=False)
        console.print(table, markup=False)


if __name__ == "__main__":
    typer.run(main)
