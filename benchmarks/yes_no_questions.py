"""Yes/no questions about short texts: which are answered right, and which are declined.

    python -m benchmarks.yes_no_questions [--every odd]

The questions are in `yes_no_questions.jsonl` beside this file: seven of each of twelve texts, three answered by yes,
three by no, one that the text does not answer. The figures of the default model were chosen on the texts with an even
number, from 0.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from llmkit import HuggingFaceChat
from llmkit.chains import QAChain
from llmkit.models.embeddings import default_embedder

HEADS = ("right, all answered", "given", "given and wrong", "given, no answer", "its sentence is cited", "s a question")


def main(
    every: Annotated[str, typer.Option(help="Of the texts: all, odd or even.")] = "all",
    model: Annotated[str, typer.Option(help="The model.")] = "smollm2-135m",
) -> None:
    lines = Path(__file__).with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    texts = list(dict.fromkeys(row["context"] for row in rows))
    if every != "all":
        rows = [row for row in rows if texts.index(row["context"]) % 2 == (every == "odd")]
    llm = HuggingFaceChat(model, dtype="float32", temperature=0)
    table = Table("sentences found by", *HEADS, title=f"{len(rows)} questions")
    for name, embedder in (("words", None), ("words and sense", default_embedder())):
        table.add_row(name, *figures(QAChain(llm, embedder), rows))
    Console().print(table)


def figures(chain: QAChain, rows: list[dict[str, Any]]) -> list[str]:
    threshold, chain.yes_no_threshold = chain.yes_no_threshold, 0.0
    started = time.perf_counter()
    answers = [chain.invoke({"question": row["question"], "context": row["context"]}) for row in rows]
    seconds = time.perf_counter() - started
    pairs = list(zip(answers, rows, strict=True))
    known = [(answer, row) for answer, row in pairs if row["answer"]]
    right = [answer.text.casefold() == row["answer"] for answer, row in known]
    given = [answer.confidence >= threshold for answer, _ in known]
    cited = [any(row["sentence"] in citation.quote for citation in answer.citations) for answer, row in known]
    unknown = [answer.confidence >= threshold for answer, row in pairs if not row["answer"]]
    wrong = sum(is_given and not is_right for is_given, is_right in zip(given, right, strict=True))
    return [
        f"{np.mean(right):.2f}",
        f"{sum(given)} of {len(known)}",
        str(wrong),
        f"{sum(unknown)} of {len(unknown)}",
        f"{np.mean(cited):.2f}",
        f"{seconds / len(rows):.2f}",
    ]


if __name__ == "__main__":
    typer.run(main)
