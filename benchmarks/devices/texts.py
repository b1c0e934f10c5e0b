"""The texts of the table: rows of data sets where a folder has them, else generated ones of like lengths."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from benchmarks.batch import SENTENCES

QUESTION = "Tell me about the life of foxes: where they live, what they eat and how they raise their young."
LABELS = ("World", "Sports", "Business", "Science and technology")
_NAMES = ("Ada Lovelace", "Maria Holm", "Acme Industries", "the University of Oslo", "Lisbon", "South Wales")


def read_rows(data: Path | None, file: str, count: int) -> list[dict[str, str]] | None:
    """Return the first rows of a file of JSON lines, again from its beginning if it has too few; `None` without it."""
    if data is None or not (path := data / file).exists():
        return None
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(count), strict=False)]
    return [rows[index % len(rows)] for index in range(count)]


def news(data: Path | None, count: int) -> list[str]:
    """Return short texts to classify."""
    rows = read_rows(data, "agnews_test.jsonl", count)
    return [row["text"] for row in rows] if rows else _generated(count, 2, 6)


def labelled_news(data: Path | None, count: int) -> list[dict[str, str]]:
    """Return labelled texts, examples of each label in turn."""
    rows = read_rows(data, "agnews_pool.jsonl", 40 * count)
    if not rows:
        texts = _generated(count, 2, 6, seed=1)
        return [{"input": text, "output": LABELS[index % len(LABELS)]} for index, text in enumerate(texts)]
    labels = dict.fromkeys(row["label_text"] for row in rows)
    names = dict(zip(sorted(labels), sorted(LABELS), strict=False)) if len(labels) == len(LABELS) else {}
    by_label = [[row["text"] for row in rows if row["label_text"] == label] for label in labels]
    turns = [(by_label[index % len(labels)], label) for index, label in enumerate([*labels] * count)]
    return [
        {"input": texts[index // len(labels)], "output": names.get(label, label)}
        for index, (texts, label) in enumerate(turns[:count])
    ]


def sentences(data: Path | None, count: int) -> list[str]:
    """Return sentences with names of people, organizations and places."""
    rows = read_rows(data, "wikineural_en_test.jsonl", count)
    if rows:
        return [row["text"] for row in rows]
    rng = random.Random(2)
    return [f"{rng.choice(_NAMES)} and {rng.choice(_NAMES)}: {rng.choice(SENTENCES)}" for _ in range(count)]


def questions(data: Path | None, count: int) -> list[dict[str, str]]:
    """Return questions with the texts that they are about."""
    rows = read_rows(data, "squad2_dev.jsonl", count)
    if rows:
        return [{"question": row["question"], "context": row["context"]} for row in rows]
    asked = "Why was the ferry late?", "Where did a new bakery open?", "How did the council vote?"
    texts = _generated(count, 5, 9, seed=3)
    return [{"question": asked[index % 3], "context": text} for index, text in enumerate(texts)]


def _generated(count: int, shortest: int, longest: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    parts: Sequence[Sequence[str]] = [rng.choices(SENTENCES, k=rng.randint(shortest, longest)) for _ in range(count)]
    return [f"{' '.join(part)} {rng.randint(0, 10**6)}" for part in parts]
