"""Classification of short texts: accuracy, log-loss and calibration of the stock recipe and llmkit on the same rows.

    python -m benchmarks.classification --data FOLDER [--rows 128] [--only ag --only sst2]

The stock recipe is `FewShotPromptTemplate | HuggingFacePipeline`: it lists the labels, generates 4 tokens (8 for the 77
labels of banking77) at batch size 8, and takes the first label that its answer starts with; an answer without a label
counts as wrong. "8 selected" are the most similar examples of the training pool.
Measured are odd rows: what was chosen was chosen on the others. `python -m benchmarks --which labels` measures the
speed, `python -m benchmarks.learning_curve` the quality with 0 to 50 labelled texts of each label.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from langchain_core.prompts import FewShotPromptTemplate, PromptTemplate
from rich.console import Console
from rich.table import Table

from benchmarks.peer import stock_pipeline
from llmkit import HuggingFaceChat
from llmkit.chains import ZeroShotClassificationChain
from llmkit.chains.calibration import expected_calibration_error
from llmkit.models.weights.catalog import resolve
from llmkit.prompts import SimilarExamples

Row = dict[str, str]
FILES = {
    "ag": ("agnews_test", "agnews_pool", "text_clean"),
    "sst2": ("sst2_dev", "sst2_train_pool", "text_clean"),
    "trec": ("trec_test", "trec_train_pool", "text_clean"),
    "banking77": ("banking77_test", "banking77_train_10perlabel", "text"),
}


@dataclass(frozen=True)
class Task:
    """Rows to classify, and a pool of labelled rows for examples."""

    name: str
    rows: Sequence[Row]
    pool: Sequence[Row]
    labels: Sequence[str]


def load_task(data: Path, name: str, count: int) -> Task:
    test, pool, field = FILES[name]

    def read(file: str) -> list[Row]:
        lines = (data / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
        return [{"input": row[field], "output": row["label_text"]} for row in map(json.loads, lines)]

    rows, examples = read(test)[1::2], read(pool)  # all that was chosen was chosen on the other half
    random.Random(0).shuffle(rows)
    return Task(name, rows[:count], examples, sorted({row["output"] for row in examples}))


def draw_examples(task: Task, count: int, seed: int = 0) -> list[Row]:
    """Return examples, with equally many of each label if possible."""
    pool = list(task.pool)
    random.Random(seed).shuffle(pool)
    label_counts: dict[str, int] = {}
    numbered: list[tuple[int, int, Row]] = []
    for row in pool:
        label_counts[row["output"]] = label_counts.get(row["output"], 0) + 1
        numbered.append((label_counts[row["output"]], len(numbered), row))
    return [row for *_, row in sorted(numbered, key=lambda item: item[:2])[:count]]


def stock(task: Task, examples: Sequence[Row], folder: Path) -> Any:
    template = "Text: {input}\nLabel:"
    prompt = FewShotPromptTemplate(
        prefix=f"Classify the text into one of these labels: {', '.join(task.labels)}.",
        examples=list(examples),
        example_prompt=PromptTemplate.from_template(f"{template} {{output}}"),
        suffix=template,
        input_variables=["input"],
    )
    return prompt | stock_pipeline(folder, 8 if len(task.labels) > 10 else 4)


def ask_stock(chain: Any, task: Task) -> list[str | None]:
    answers = chain.batch([{"input": row["input"]} for row in task.rows])
    ranked = sorted(task.labels, key=len, reverse=True)
    return [
        next((label for label in ranked if text.strip().lower().startswith(label.lower())), None) for text in answers
    ]


def figures(probabilities: np.ndarray[Any, Any], task: Task) -> tuple[float, float, float]:
    """Return accuracy, mean log-loss in nats and expected calibration error."""
    gold = np.array([task.labels.index(row["output"]) for row in task.rows])
    correct = probabilities.argmax(1) == gold
    loss = -np.log(np.maximum(probabilities[np.arange(len(gold)), gold], 1e-12)).mean()
    return float(correct.mean()), float(loss), expected_calibration_error(probabilities.max(1), correct)


def variants(llm: HuggingFaceChat, task: Task) -> dict[str, ZeroShotClassificationChain]:
    eight = draw_examples(task, 8)

    def chain(**options: Any) -> ZeroShotClassificationChain:
        return ZeroShotClassificationChain(llm, task.labels, **options)

    return {
        "plain scores, 0 examples": chain(contextual_calibration=False),
        "ours, 0 examples": chain(),
        "ours, 8 examples": chain(examples=eight),
        "ours, 8 examples, shown": chain(examples=eight, show_examples=True),
        "ours, 8 selected": chain(examples=task.pool, selector=SimilarExamples(8)),
    }


def measure_quality(llm: HuggingFaceChat, task: Task, folder: Path, console: Console, only: Sequence[str]) -> None:
    title = f"{task.name}: {len(task.rows)} texts, {len(task.labels)} labels"
    table = Table("method", "accuracy", "log-loss", "calibration error", "texts a second", title=title)

    def add(name: str, cells: Sequence[str], seconds: float) -> None:
        table.add_row(name, *cells, f"{len(task.rows) / seconds:.1f}")
        print(task.name, name, *cells, f"{len(task.rows) / seconds:.1f}", sep="\t", flush=True)

    for count in (0, 8):
        if only and "stock" not in only:
            continue
        chain = stock(task, draw_examples(task, count), folder)
        start = time.perf_counter()
        predicted = ask_stock(chain, task)
        correct = [row["output"] == label for row, label in zip(task.rows, predicted, strict=True)]
        cells = (f"{np.mean(correct):.3f}", f"{predicted.count(None)} unparsed", "")
        add(f"stock, {count} examples", cells, time.perf_counter() - start)
    for name, chain in variants(llm, task).items():
        if only and name not in only:
            continue
        start = time.perf_counter()
        results = chain.batch([row["input"] for row in task.rows])
        seconds = time.perf_counter() - start
        probabilities = np.array([list(result.scores.values()) for result in results])
        add(name, [f"{value:.3f}" for value in figures(probabilities, task)], seconds)
    console.print(table)


def main(
    data: Annotated[Path, typer.Option(help="The folder with the JSON lines files.")],
    rows: Annotated[int, typer.Option(help="Texts of each data set.")] = 128,
    only: Annotated[list[str] | None, typer.Option(help=f"Data sets: {', '.join(FILES)}; all if left out.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="stock, or the name of one of our rows.")] = None,
    model: Annotated[str, typer.Option()] = "smollm2-135m",
) -> None:
    console, folder, llm = Console(width=110), resolve(model), HuggingFaceChat(model=model)
    for name in only or FILES:
        measure_quality(llm, load_task(data, name, rows), folder, console, method or ())


if __name__ == "__main__":
    typer.run(main)
