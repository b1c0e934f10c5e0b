"""Questions about a paragraph: F1, exact match, quotes, abstention and speed of the stock recipe and llmkit.

    python -m benchmarks.question_answering --data FOLDER [--rows N] [--only "ours, words"] [--every odd]

F1 and exact match are those of SQuAD's script: lowercase, without punctuation and articles, for the best of the
reference answers. AUC is the probability that a right answer (an exact match) has a higher confidence than another one,
a wrong one or any to a question without an answer. Brackets are 95 % intervals (bootstrap over questions). "Words"
finds sentences by BM25 alone, "words and sense" with sentence embeddings too. The stock recipe is `ChatPromptTemplate |
HuggingFacePipeline`: the paragraph and the question, an answer of at most 24 tokens, of which the first line counts;
"unanswerable" is an abstention.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from langchain_core.prompts import ChatPromptTemplate
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.peer import stock_chat
from llmkit import HuggingFaceChat
from llmkit.chains import QAChain
from llmkit.chains.qa.tuning import SMOLLM2_135M
from llmkit.evaluation.metrics import answer_f1, exact_match
from llmkit.models.embeddings import default_embedder
from llmkit.models.weights.catalog import resolve

Row = dict[str, Any]
DRAWS = 2000


@dataclass(frozen=True)
class Result:
    """The answer of a method to one question; `found` at the default threshold, `text` in any case."""

    text: str
    found: bool
    confidence: float
    quotes_match: bool


def best(measure: Callable[[str, str], float], text: str, row: Mapping[str, Any]) -> float:
    return max(measure(text, answer["text"]) for answer in row["answers"])


def ours(chain: QAChain, rows: Sequence[Row]) -> list[Result]:
    results = []
    for row in rows:
        answer = chain.invoke({"question": row["question"], "context": row["context"]})
        quotes_match = all(
            row["context"][citation.start : citation.end] == citation.quote for citation in answer.citations
        )
        results.append(
            Result(answer.text, answer.confidence >= SMOLLM2_135M.threshold, answer.confidence, quotes_match)
        )
    return results


def stock(folder: Path, rows: Sequence[Row]) -> list[Result]:
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Answer the question with a short phrase from the context, or with 'unanswerable'."),
            ("human", "Context: {context}\n\nQuestion: {question}"),
        ]
    )
    chain = prompt | stock_chat(folder, 24)
    results = []
    for row in rows:
        text = str(chain.invoke({"context": row["context"], "question": row["question"]}).content)
        line = text.strip().splitlines()[0] if text.strip() else ""
        found = "unanswerable" not in line.lower() and bool(line)
        results.append(Result(line, found, float(found), line in row["context"]))
    return results


Figure = NDArray[np.float64]
"""A number for each question: [questions]."""


@dataclass(frozen=True)
class Measured:
    """What was measured of each question."""

    answerable: NDArray[np.bool_]
    f1: Figure
    exact: Figure
    found: NDArray[np.bool_]
    verbatim: NDArray[np.bool_]
    confidence: Figure

    @classmethod
    def of(cls, results: Sequence[Result], rows: Sequence[Row]) -> Measured:
        pairs = list(zip(results, rows, strict=True))
        scores = [
            [0.0 if row["is_impossible"] else best(of, one.text, row) for of in (answer_f1, exact_match)]
            for one, row in pairs
        ]
        both = np.array(scores, dtype=np.float64).reshape(len(pairs), 2)
        return cls(
            np.array([not row["is_impossible"] for row in rows]),
            both[:, 0],
            both[:, 1],
            np.array([one.found for one in results]),
            np.array([one.text in row["context"] and one.quotes_match for one, row in pairs]),
            np.array([one.confidence for one in results]),
        )

    def take(self, places: NDArray[np.int64]) -> Measured:
        return Measured(*(getattr(self, field.name)[places] for field in fields(self)))

    def figures(self) -> list[float]:
        can, right = self.answerable, self.exact == 1
        return [
            self.f1[can].mean(),
            self.exact[can].mean(),
            (self.f1 * self.found)[can].mean(),
            self.verbatim.mean(),
            (~self.found)[can].mean(),
            (~self.found)[can & right].mean() if (can & right).any() else 0.0,
            (~self.found)[~can].mean() if (~can).any() else 0.0,
            auc(self.confidence, right),
            auc(self.confidence, can),
        ]


def auc(scores: Figure, positive: NDArray[np.bool_]) -> float:
    """Return the probability that a positive has a higher score than a negative; equals count half."""
    one, two = scores[positive][:, None], scores[~positive][None]
    return float(((one > two) + (one == two) / 2).mean()) if one.size and two.size else 0.5


def figures(results: Sequence[Result], rows: Sequence[Row]) -> list[str]:
    measured = Measured.of(results, rows)
    draws = np.random.default_rng(0).integers(len(rows), size=(DRAWS, len(rows)))
    spread = np.array([measured.take(draw).figures() for draw in draws])
    low, high = np.quantile(spread, [0.025, 0.975], axis=0)
    return [f"{value:.2f} ({a:.2f} to {b:.2f})" for value, a, b in zip(measured.figures(), low, high, strict=True)]


def main(
    data: Annotated[Path, typer.Option(help="The folder with squad2_dev.jsonl.")],
    rows: Annotated[int, typer.Option(help="How many rows to take.")] = 1000,
    every: Annotated[str, typer.Option(help="Of the rows: all, odd or even.")] = "all",
    only: Annotated[list[str] | None, typer.Option(help="Only this method.")] = None,
    answers: Annotated[Path | None, typer.Option(help="Write the answers of each method here, as JSON lines.")] = None,
) -> None:
    lines = (data / "squad2_dev.jsonl").read_text(encoding="utf-8").splitlines()
    selected = [json.loads(line) for line in lines][{"odd": 1}.get(every, 0) :: 1 if every == "all" else 2][:rows]
    llm = HuggingFaceChat(temperature=0)
    methods: dict[str, Callable[[], list[Result]]] = {
        "stock": lambda: stock(resolve("smollm2-135m"), selected),
        "ours, words": lambda: ours(QAChain(llm, embedder=None, threshold=0), selected),
        "ours, words and sense": lambda: ours(QAChain(llm, default_embedder(), threshold=0), selected),
    }
    heads = (
        "F1",
        "exact",
        "F1 at threshold",
        "verbatim",
        "abstains, answerable",
        "abstains, right",
        "abstains, not",
        "AUC, right",
        "AUC, answerable",
        "s a question",
    )
    table = Table(
        "method",
        *heads,
        title=f"{len(selected)} questions, {sum(row['is_impossible'] for row in selected)} without answer",
    )
    for name, method in methods.items():
        if only and name not in only:
            continue
        start = time.perf_counter()
        results = method()
        cells = [*figures(results, selected), f"{(time.perf_counter() - start) / len(selected):.2f}"]
        print(name, *cells, sep="\t", flush=True)
        table.add_row(name, *cells)
        if answers:
            with answers.open("a", encoding="utf-8") as file:
                for row, result in zip(selected, results, strict=True):
                    file.write(json.dumps({"method": name, "id": row["id"], **asdict(result)}) + "\n")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
