"""Precision and recall of main text extraction: llmkit, trafilatura with its defaults, and all text of the page.

    python -m benchmarks.webpages --data FOLDER

The folder holds `webpages/` and `webpages_open/`, each with `pages.jsonl` (fields `file` and `gold_text`) and the
gzipped pages it names. Figures are means over pages: precision, recall and F1 of words, counted as often as they
occur, and the seconds per page. `get_text` is what LangChain's WebBaseLoader returns.
"""

from __future__ import annotations

import gzip
import json
import logging
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import trafilatura
import typer
from bs4 import BeautifulSoup
from rich.console import Console
from rich.table import Table

from llmkit.web import read


def pages(folder: Path) -> Iterator[tuple[bytes, str]]:
    for line in (folder / "pages.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield gzip.decompress((folder / row["file"]).read_bytes()), row["gold_text"]


def count_words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))


def scores(found: str, gold: str) -> tuple[float, float, float]:
    """Return precision, recall and F1."""
    found_words, gold_words = count_words(found), count_words(gold)
    common = (found_words & gold_words).total()
    return (
        common / max(found_words.total(), 1),
        common / max(gold_words.total(), 1),
        2 * common / max(found_words.total() + gold_words.total(), 1),
    )


METHODS: dict[str, Callable[[bytes], str]] = {
    "llmkit.web.read": lambda html: read(html, content_type="text/html").page_content,
    "trafilatura, default options": lambda html: trafilatura.extract(html) or "",
    "trafilatura, no comments": lambda html: trafilatura.extract(html, include_comments=False) or "",
    "bs4, get_text": lambda html: BeautifulSoup(html, "lxml").get_text(),
}


def main(data: Annotated[Path, typer.Option()]) -> None:
    logging.disable(logging.WARNING)
    table = Table("pages", "method", "precision", "recall", "F1", "seconds")
    for folder in (data / "webpages", data / "webpages_open"):
        found = list(pages(folder))
        for name, extract in METHODS.items():
            started = time.perf_counter()
            rows = [scores(extract(html), gold) for html, gold in found]
            seconds = (time.perf_counter() - started) / len(found)
            means = (f"{statistics.fmean(column):.3f}" for column in zip(*rows, strict=True))
            table.add_row(f"{len(found)} of {folder.name}", name, *means, f"{seconds:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
