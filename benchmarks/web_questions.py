"""Questions about real web pages: correct answers, verbatim quotes and abstentions.

    python -m benchmarks.web_questions --data FOLDER

The folder holds `webpages_open/` with `pages.jsonl` (fields `id`, `file` and `gold_text`) and the gzipped pages that it
names. They are served locally and fetched like any page. The questions are in `web_questions.jsonl` beside
this file: for each page four with the answer and a part of its sentence, and one that the page does
not answer. An answer is correct if its F1 with the reference is at least 0.5, computed as in SQuAD's script.
"""

from __future__ import annotations

import gzip
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any

import typer
from langchain_core.documents import Document
from rich.console import Console
from rich.table import Table

from benchmarks.webpages import scores
from llmkit import HuggingFaceChat
from llmkit.chains import Answer, QAChain
from llmkit.chains.qa.tuning import SMOLLM2_135M
from llmkit.evaluation.metrics import answer_f1, answer_words, exact_match
from llmkit.models.embeddings import default_embedder
from llmkit.models.weights.catalog import resolve
from llmkit.web import fetch

Row = dict[str, Any]
CORRECT_F1 = 0.5
HEADS = (
    "right",
    "exact",
    "right, any confidence",
    "its sentence is cited",
    "quotes verbatim",
    "declined, no answer",
    "s a question",
)


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@contextmanager
def served(pages: Mapping[str, bytes]) -> Iterator[str]:
    """Serve each page under its name; yield the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path.removeprefix("/"), b"")
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def figures(results: Sequence[Answer], rows: Sequence[Row], pages: Mapping[str, Document]) -> list[str]:
    pairs = list(zip(results, rows, strict=True))
    answerable = [(answer, row) for answer, row in pairs if row["answer"]]
    unanswerable = [answer for answer, row in pairs if not row["answer"]]
    confident = [(answer, row) for answer, row in answerable if answer.confidence >= SMOLLM2_135M.threshold]
    quotes = [(citation, pages[row["page"]].page_content) for answer, row in pairs for citation in answer.citations]
    return [
        share([answer_f1(answer.text, row["answer"]) >= CORRECT_F1 for answer, row in confident], answerable),
        share([exact_match(answer.text, row["answer"]) == 1 for answer, row in confident], answerable),
        share([answer_f1(answer.text, row["answer"]) >= CORRECT_F1 for answer, row in answerable], answerable),
        share(
            [
                any(contains(citation.quote, row["sentence"]) for citation in answer.citations)
                for answer, row in answerable
            ],
            answerable,
        ),
        share([text[citation.start : citation.end] == citation.quote for citation, text in quotes], quotes),
        share([answer.confidence < SMOLLM2_135M.threshold for answer in unanswerable], unanswerable),
    ]


def contains(quote: str, part: str) -> bool:
    return " ".join(answer_words(part)) in " ".join(answer_words(quote))


def share(hits: Sequence[bool], total: Sequence[Any]) -> str:
    return f"{sum(hits)} of {len(total)}"


def main(
    data: Annotated[Path, typer.Option(help="The folder with webpages_open.")],
    answers: Annotated[Path | None, typer.Option(help="Write the answers of each method here, as JSON lines.")] = None,
) -> None:
    folder = data / "webpages_open"
    references = {row["id"]: row for row in read(folder / "pages.jsonl")}
    rows = read(Path(__file__).with_suffix(".jsonl"))
    llm = HuggingFaceChat(model=str(resolve("smollm2-135m")), temperature=0)
    methods: dict[str, Callable[[], QAChain]] = {
        "words": lambda: QAChain(llm, embedder=None, threshold=0),
        "words and sense": lambda: QAChain(llm, default_embedder(), threshold=0),
    }
    bodies = {name: gzip.decompress((folder / row["file"]).read_bytes()) for name, row in references.items()}
    with served(bodies) as site:
        pages = {name: fetch(site + name, allow_private=True, respect_robots=False, cache=False) for name in bodies}
    word_f1 = [scores(page.page_content, references[name]["gold_text"])[2] for name, page in pages.items()]
    print(f"word F1 of the extraction: {statistics.fmean(word_f1):.3f}", flush=True)
    table = Table("sentences found by", *HEADS)
    for name, make in methods.items():
        chain = make()
        started = time.perf_counter()
        results = [chain.invoke({"question": row["question"], "context": pages[row["page"]]}) for row in rows]
        cells = [*figures(results, rows, pages), f"{(time.perf_counter() - started) / len(rows):.2f}"]
        print(name, *cells, sep="\t", flush=True)
        table.add_row(name, *cells)
        if answers:
            with answers.open("a", encoding="utf-8") as file:
                for row, result in zip(rows, results, strict=True):
                    line = {"method": name, **row, "answer_given": result.model_dump(mode="json")}
                    file.write(json.dumps(line) + "\n")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
