"""ROUGE of summaries of long meetings: llmkit, the first context window, and the first words.

    pip install -e '.[benchmarks]'
    python -m benchmarks.summarization --data FOLDER
    python -m benchmarks.summarization --data FOLDER --window 512 --limit 4 --out answers.jsonl

The folder has `qmsum_test.jsonl` (QMSum, Zhong et al. 2021): a meeting a line, with a `transcript` and a summary of
the whole meeting in `general_queries`. ROUGE is F1, stemmed; decoding is greedy. `first window` summarizes as much of
the meeting as fits one prompt, with the same prompt and budget; `lead` is the meeting's first words. `ours, combined by
the model` lets the model combine the summaries of parts, which a small model does not do by default.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rouge_score.rouge_scorer import RougeScorer

from llmkit import HuggingFaceChat
from llmkit.chains import SummarizationChain, Summary
from llmkit.chains.summarization.strategies import StrategyChoice
from llmkit.errors import ContextWindowExceeded
from llmkit.text.segmentation import passages

METRICS = ["rouge1", "rougeL"]
_scorer = RougeScorer(METRICS, use_stemmer=True)


def first_window(chain: SummarizationChain, text: str) -> Summary:
    """Summarize the longest prefix that fits one prompt."""
    size = chain.llm.context_window
    while True:
        try:
            return chain.invoke(passages(text, chain.llm, size)[0].text)
        except ContextWindowExceeded as error:
            size -= error.needed - error.available


def rouge(answer: str, reference: str) -> list[float]:
    scores = _scorer.score(reference, answer)
    return [scores[metric].fmeasure for metric in METRICS]


def main(
    data: Annotated[Path, typer.Option(help="The folder with the meetings.")],
    limit: Annotated[int | None, typer.Option(help="Only the first LIMIT meetings.")] = None,
    window: Annotated[int, typer.Option(help="A smaller context window, in tokens; 0 is the model's.")] = 0,
    max_words: Annotated[int, typer.Option(help="The most words of a summary.")] = 100,
    strategy: Annotated[StrategyChoice, typer.Option()] = "auto",
    model: Annotated[str, typer.Option()] = "smollm2-135m",
    out: Annotated[Path | None, typer.Option(help="Write the summaries here, as JSON lines.")] = None,
) -> None:
    lines = (data / "qmsum_test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines][:limit]
    llm = HuggingFaceChat(model=model, temperature=0, context_window=window)
    ours = SummarizationChain(llm, "summarize-dialogue", strategy=strategy, max_words=max_words)
    combined = SummarizationChain(
        llm, "summarize-dialogue", strategy=strategy, max_words=max_words, combine_prompt="combine-summaries"
    )
    first = SummarizationChain(llm, "summarize-dialogue", strategy="stuff", max_words=max_words)
    methods: dict[str, Callable[[str], Any]] = {
        "ours": ours.invoke,
        "ours, combined by the model": combined.invoke,
        "first window": lambda text: first_window(first, text),
        "lead": lambda text: " ".join(text.split()[:max_words]),
    }
    table = Table("method", "ROUGE-1", "ROUGE-L", "words", "calls", "seconds")
    for name, method in methods.items():
        rows_of_figures = []
        for row in rows:
            started = time.perf_counter()
            answer = method(row["transcript"])
            seconds = time.perf_counter() - started
            text = answer.text if isinstance(answer, Summary) else answer
            calls = answer.model_calls if isinstance(answer, Summary) else 0
            figures = [*rouge(text, row["general_queries"][0]["answer"]), len(text.split()), calls, seconds]
            rows_of_figures.append(figures)
            print(name, row["id"], *(f"{figure:.3f}" for figure in figures), flush=True)
            if out:
                with out.open("a", encoding="utf-8") as file:
                    print(json.dumps({"method": name, "id": row["id"], "text": text}, ensure_ascii=False), file=file)
        means = [sum(column) / len(rows_of_figures) for column in zip(*rows_of_figures, strict=True)]
        table.add_row(name, *(f"{mean:.3f}" for mean in means[:2]), *(f"{mean:.0f}" for mean in means[2:]))
    Console().print(f"{len(rows)} meetings, window {llm.context_window}, {max_words} words", table)


if __name__ == "__main__":
    typer.run(main)
