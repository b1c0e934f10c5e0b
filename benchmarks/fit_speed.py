"""Time to fit a prompt with 200 candidate examples, compared with the model's prefill of that prompt.

    python -m benchmarks.fit_speed --data DIALOGSUM_FOLDER

The folder holds `dialogsum_train_pool.jsonl` and `dialogsum_test.jsonl`. The prefill is `invoke` with one new
token on a prompt that the model has not seen before.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from llmkit import GenerationSettings, HuggingFaceChat
from llmkit.prompts import ExampleSelector, FirstExamples, LexicalExamples, SimilarExamples, TaskPrompt

WINDOWS, INPUTS, MAX_NEW_TOKENS = (2048, 4096), 5, 64


def read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measure_seconds(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def measure(llm: HuggingFaceChat, prompt: TaskPrompt, inputs: list[str], window: int) -> tuple[float, ...]:
    """Return the prompt's tokens, and the first fit, the median of the others and the prefill in seconds."""
    fits = [
        measure_seconds(lambda: prompt.fit(text, model=llm, max_new_tokens=MAX_NEW_TOKENS, context_window=window))  # noqa: B023
        for text in inputs
    ]
    fitted = fits[-1][0]
    _, prefill = measure_seconds(lambda: llm.invoke(fitted, max_new_tokens=1))
    return fitted.tokens, fits[0][1], statistics.median(seconds for _, seconds in fits[1:]), prefill


def main(data: Annotated[Path, typer.Option()], model: Annotated[str, typer.Option()] = "smollm2-135m") -> None:
    llm = HuggingFaceChat(model=model, settings=GenerationSettings(temperature=0))
    pool = [
        {"input": row["dialogue"].strip(), "output": row["summary"]}
        for row in read(data / "dialogsum_train_pool.jsonl")
    ]
    inputs = [row["dialogue"].strip() for row in read(data / "dialogsum_test.jsonl")[:INPUTS]]
    selectors: dict[str, ExampleSelector] = {
        "first": FirstExamples(),
        "lexical": LexicalExamples(),
        "similar": SimilarExamples(None),
    }
    table = Table("selector", "window", "tokens", "first fit", "next fits", "prefill", "share of prefill")
    for name, selector in selectors.items():
        for window in WINDOWS:
            # Each instruction starts with different words, so that the prefix cache has nothing of it.
            prompt = TaskPrompt(f"{name} {window}: summarize it.").with_examples(pool, selector)
            tokens, first, later, prefill = measure(llm, prompt, inputs, window)
            cells = (f"{first:.3f} s", f"{later * 1000:.1f} ms", f"{prefill:.2f} s", f"{later / prefill:.2%}")
            table.add_row(name, str(window), str(int(tokens)), *cells)
    Console().print(f"{len(pool)} candidates, {INPUTS} inputs", table)


if __name__ == "__main__":
    typer.run(main)
