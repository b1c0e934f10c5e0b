"""The best cell of many at a fraction of the cost: successive halving (Jamieson & Talwalkar 2016).

All cells are run on a few items; the better half of them on twice as many, and so on, until one is left.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmkit.evaluation.cell_chain import prompt_of
from llmkit.evaluation.cells import Cell, Task
from llmkit.evaluation.items import Data, Item
from llmkit.prompts.selectors import FirstExamples

LEAST_ITEMS = 8
"""On which a half of the cells is left out."""

Score = Callable[[Cell, Sequence[Item]], float]
"""Runs a cell on items; of its figure more is better."""


@dataclass(frozen=True)
class Round:
    """A step of the halving: how many items cells were run on, their figures, and which ones stay."""

    items: int
    scores: dict[str, float]
    kept: tuple[str, ...]


def find_best(cells: Sequence[Cell], items: Sequence[Item], score: Score, seed: int = 0) -> tuple[Cell, list[Round]]:
    """Return the best cell on the items, and how it was found.

    Args:
        cells: to choose among.
        items: to choose on; they are taken in a random order.
        score: of a cell on some items, of which more is better.
        seed: of the order.
    """
    order = random.Random(seed).sample(list(items), len(items))
    count = math.ceil(math.log2(max(2, len(cells))))
    size = min(len(order), max(LEAST_ITEMS, len(order) // 2 ** (count - 1)))
    left, rounds = list(cells), list[Round]()
    while len(left) > 1:
        scores = {cell.name: score(cell, order[:size]) for cell in left}
        keep = 1 if size == len(order) else math.ceil(len(left) / 2)
        left = sorted(left, key=lambda cell: -scores[cell.name])[:keep]
        rounds.append(Round(size, scores, tuple(cell.name for cell in left)))
        size = min(len(order), 2 * size)
    return left[0], rounds


def write_prompt(cell: Cell, task: Task, data: Data, seed: int, path: Path) -> None:
    """Write the prompt of a cell, with its examples, as a file that `TaskPrompt.load` reads.

    A file has examples, but no selector: where each input gets examples of its own, it has all to select from.

    Raises:
        PromptError: the file cannot be written.
    """
    prompt = prompt_of(cell, task, data, seed)
    examples = list(prompt.examples)
    if cell.examples and cell.selector in ("first", "random", "balanced"):  # the same for every input
        examples = prompt.selector.select_examples({"input": ""})
    (prompt.with_examples(examples, FirstExamples()) if examples else prompt).save(path)
