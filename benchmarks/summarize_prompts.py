"""ROUGE of summaries on DialogSum: zero, one and few examples, each selector, and the stock recipe.

    pip install -e '.[benchmarks]'
    python -m benchmarks.summarize_prompts --data DIALOGSUM_FOLDER --only zero-shot --only lexical-3

The folder holds `dialogsum_test.jsonl` (a dialogue and three summaries a line) and
`dialogsum_train_pool.jsonl`, where the examples come from. The wording of summarize-dialogue was chosen on some
of these dialogues; `--unseen` takes only the others. A summary is scored against the best of its three
references (F1, stemmed); decoding is greedy. `stock` is a zero-shot instruction through langchain-huggingface's
`HuggingFacePipeline`, 64 new tokens.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rouge_score.rouge_scorer import RougeScorer

from llmkit import GenerationSettings, HuggingFaceChat
from llmkit.models.weights.catalog import resolve
from llmkit.prompts import (
    DiverseExamples,
    ExampleSelector,
    FirstExamples,
    LexicalExamples,
    RandomExamples,
    SimilarExamples,
    TaskPrompt,
)
from llmkit.text.segmentation import sentences

MAX_NEW_TOKENS = 48
SELECTORS: Mapping[str, Callable[[], ExampleSelector]] = {
    "zero-shot": lambda: FirstExamples(0),
    "first-1": lambda: FirstExamples(1),
    "first-3": lambda: FirstExamples(3),
    "random-1": lambda: RandomExamples(1),
    "random-3": lambda: RandomExamples(3),
    "lexical-1": lambda: LexicalExamples(1),
    "lexical-3": lambda: LexicalExamples(3),
    "lexical-6": lambda: LexicalExamples(6),
    "similar-1": lambda: SimilarExamples(1),
    "similar-3": lambda: SimilarExamples(3),
    "diverse-3": lambda: DiverseExamples(3),
}
_scorer = RougeScorer(["rouge1", "rougeL"], use_stemmer=True)


@dataclass(frozen=True)
class Result:
    """The answers of a method, the mean tokens of its prompts, and its time in seconds."""

    answers: Sequence[str]
    tokens: float
    seconds: float


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def unseen(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the held-out dialogues, on which no prompt was chosen."""
    held_out = set(random.Random(0).sample(range(500), 250))
    return [row for index, row in enumerate(rows) if index in held_out]


def ask(llm: HuggingFaceChat, prompt: TaskPrompt, dialogues: Sequence[str]) -> Result:
    start = time.perf_counter()
    fitted = [prompt.fit(text, model=llm, max_new_tokens=MAX_NEW_TOKENS) for text in dialogues]
    answers = llm.batch([prompt.messages for prompt in fitted], max_new_tokens=MAX_NEW_TOKENS)
    tokens = sum(prompt.tokens for prompt in fitted) / len(fitted)
    return Result([str(answer.text).strip() for answer in answers], tokens, time.perf_counter() - start)


def ask_stock(model: str, dialogues: Sequence[str]) -> Result:
    from langchain_core.prompts import PromptTemplate

    from benchmarks.peer import stock_pipeline

    llm = stock_pipeline(resolve(model), 64)
    chain = PromptTemplate.from_template("Summarize the following conversation.\n\n{text}\n\nSummary:") | llm
    start = time.perf_counter()
    answers = chain.batch([{"text": text} for text in dialogues])
    return Result([answer.strip() for answer in answers], float("nan"), time.perf_counter() - start)


def first_sentence(text: str) -> str:
    found = sentences(text)
    return found[0].of(text) if found else text


def rouge(answers: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[float]:
    """Return the means of ROUGE-1 and ROUGE-L."""
    scores = [
        [_scorer.score(reference, text) for reference in row["summaries"]]
        for text, row in zip(answers, rows, strict=True)
    ]
    return [
        sum(max(score[metric].fmeasure for score in of_text) for of_text in scores) / len(scores)
        for metric in ("rouge1", "rougeL")
    ]


def main(
    data: Annotated[Path, typer.Option(help="The folder with the two files.")],
    only: Annotated[list[str] | None, typer.Option(help="stock, or a method; all if left out.")] = None,
    only_unseen: Annotated[bool, typer.Option("--unseen", help="Only dialogues that no prompt was chosen on.")] = False,
    count: Annotated[int | None, typer.Option(help="Only the first COUNT dialogues.")] = None,
    prompt: Annotated[str, typer.Option(help="A prompt text's name, or a file.")] = "summarize-dialogue",
    model: Annotated[str, typer.Option()] = "smollm2-135m",
    out: Annotated[Path | None, typer.Option(help="Write the answers here, as JSON lines.")] = None,
) -> None:
    rows = read(data / "dialogsum_test.jsonl")
    rows = (unseen(rows) if only_unseen else rows)[:count]
    dialogues = [row["dialogue"].strip() for row in rows]
    pool = [
        {"input": row["dialogue"].strip(), "output": row["summary"]}
        for row in read(data / "dialogsum_train_pool.jsonl")
    ]
    base = TaskPrompt.load(Path(prompt) if prompt.endswith(".md") else prompt)
    llm = HuggingFaceChat(model=model, settings=GenerationSettings(temperature=0))
    table = Table("method", "ROUGE-1", "ROUGE-L", "1st sentence: 1", "L", "prompt tokens", "seconds")
    for name in only or ["stock", *SELECTORS]:
        if name == "stock":
            result = ask_stock(model, dialogues)
        else:
            result = ask(llm, base.with_examples(pool, SELECTORS[name]()), dialogues)
        figures = [
            *rouge(result.answers, rows),
            *rouge([first_sentence(answer) for answer in result.answers], rows),
        ]
        row = [
            name,
            *(f"{figure:.3f}" for figure in figures),
            f"{result.tokens:.0f}",
            f"{result.seconds:.0f}",
        ]
        print(*row, flush=True)
        table.add_row(*row)
        if out:
            with out.open("a", encoding="utf-8") as file:
                print(json.dumps({"method": name, "answers": result.answers}, ensure_ascii=False), file=file)
    Console().print(f"{len(rows)} dialogues, prompt {prompt}", table)


if __name__ == "__main__":
    typer.run(main)
