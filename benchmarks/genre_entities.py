"""Entities with labels of any kind: product, dosage, job title, … in short texts of many genres.

    python -m benchmarks.genre_entities [--half odd] [--model NAME]

`genre_entities.jsonl` has texts that were written for this, each with its own labels and all of their entities. The
even rows were used to choose with. An entity is right if all its characters and its label are. Precision at a recall is
that of the entities from the likeliest on, until so large a share of the labelled ones is found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from llmkit import HuggingFaceChat
from llmkit.chains import NERChain
from llmkit.chains.ner.chain import DEFAULT_THRESHOLD

ROWS = Path(__file__).with_suffix(".jsonl")
DRAWS = 1000

Found = list[tuple[float, bool]]
"""The probability of each entity of a text, and whether it is right."""


def find(llm: HuggingFaceChat, row: Mapping[str, Any], threshold: float) -> Found:
    expected = {(entity["start"], entity["end"], entity["label"]) for entity in row["entities"]}
    found = NERChain(llm, row["labels"], threshold=threshold).invoke(row["text"])
    return [(entity.score or 0.0, (entity.start, entity.end, entity.label) in expected) for entity in found]


def precision_at(recall: float, found: Sequence[Found], expected: int) -> float:
    """Return the precision at a recall, or 0 if it is not reached."""
    ranked = sorted((entity for row in found for entity in row), key=lambda entity: -entity[0])
    right = np.cumsum([is_right for _, is_right in ranked])
    reached = np.flatnonzero(right >= recall * expected)
    return float(right[reached[0]] / (reached[0] + 1)) if reached.size else 0.0


def main(
    half: Annotated[str, typer.Option(help="Of the rows: odd or even.")] = "odd",
    model: Annotated[str, typer.Option()] = "smollm2-135m",
) -> None:
    llm = HuggingFaceChat(model=model)
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()][half == "odd" :: 2]
    ranked, chosen = [find(llm, row, 0.0) for row in rows], [find(llm, row, DEFAULT_THRESHOLD) for row in rows]
    counts = np.array([len(row["entities"]) for row in rows])
    right, given = sum(one for row in chosen for _, one in row), sum(map(len, chosen))
    print(f"{len(rows)} texts, {counts.sum()} entities, {given} found, {right} right")
    print(f"precision {right / max(given, 1):.2f}, recall {right / counts.sum():.2f}")
    rng = np.random.default_rng(0)
    for recall in (0.3, 0.5, 0.7):
        draws = [rng.integers(0, len(rows), len(rows)) for _ in range(DRAWS)]
        values = [precision_at(recall, [ranked[at] for at in draw], int(counts[draw].sum())) for draw in draws]
        low, high = np.quantile(values, [0.025, 0.975])
        reached = precision_at(recall, ranked, int(counts.sum()))
        print(f"precision at recall {recall}: {reached:.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    typer.run(main)
