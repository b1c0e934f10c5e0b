"""How often a guarantee is broken, how often there is one and how much is answered, over 1,000 draws of labelled rows.

    python -m benchmarks.guarantees --data FOLDER [--scores FOLDER] [--only trec] [--draws 1000]

The odd rows of a data set, on which nothing was chosen, are the population: rows are drawn from it with replacement, a
threshold is chosen on them, and how often the chain is wrong above it is counted on the whole population, so that it is
known exactly. The chains' scores are computed once and kept in `--scores`. No row is an example or was fitted on by
`calibrate`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from langchain_core.runnables import Runnable
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks import classification, entities, question_answering
from llmkit import HuggingFaceChat
from llmkit.chains import Guarantee, NERChain, QAChain, ZeroShotClassificationChain
from llmkit.chains.guarantees.conformal import control_expected_share
from llmkit.chains.guarantees.thresholds import (
    Row,
    ShareOfFalse,
    Target,
    changes_of,
    control_error,
    control_share,
)
from llmkit.chains.ner.calibration import LabelledText
from llmkit.chains.ner.guarantees import LOWEST_THRESHOLD, share_of_false
from llmkit.chains.qa.guarantees import RIGHT_F1
from llmkit.evaluation.metrics import answer_f1

ERRORS, ROWS, CONFIDENCE = (0.05, 0.1, 0.2, 0.3), (50, 100, 200, 500), 0.95
BATCH = 50


@dataclass(frozen=True)
class Population:
    """All rows of a data set as a chain answers them: of each the highest score, and the losses above thresholds."""

    texts: Sequence[ShareOfFalse]
    is_binary: bool

    @cached_property
    def _curves(self) -> tuple[Row, Row, Row]:
        """The negated thresholds at which losses change, the sum of the losses up to each, and each row's threshold."""
        values, changes = changes_of([(text.thresholds, text.losses) for text in self.texts])
        highest = np.sort([-text.thresholds[0] for text in self.texts if len(text.thresholds)])
        return -values, np.append(0.0, np.cumsum(changes)), highest

    def risk(self, threshold: float) -> float:
        """Return the mean loss of the rows that are answered with this threshold."""
        values, sums, highest = self._curves
        count = np.searchsorted(highest, -threshold, side="right")
        return float(sums[np.searchsorted(values, -threshold, side="right")] / max(count, 1))

    def answered(self, threshold: float) -> float:
        """Return the share of the rows that are answered with this threshold."""
        return float(np.searchsorted(self._curves[2], -threshold, side="right") / len(self.texts))

    def guarantee(self, chosen: NDArray[np.int64], target: Target) -> Guarantee:
        """Return what the chain guarantees with these rows."""
        texts = [self.texts[index] for index in chosen]
        if not self.is_binary:
            return control_share(texts, target)
        scores = [text.thresholds[0] if len(text.thresholds) else -np.inf for text in texts]
        wrong = [text.losses[0] if len(text.losses) else 1.0 for text in texts]
        return control_error(scores, wrong, target)


def of_classification(llm: HuggingFaceChat, data: Path, name: str) -> Iterator[tuple[list[float], list[float]]]:
    test, _, text = classification.FILES[name]
    rows = _odd_rows(data / f"{test}.jsonl")
    chain = ZeroShotClassificationChain(llm, sorted({row["label_text"] for row in rows}))
    for row, result in zip(rows, _batches(chain, [row[text] for row in rows]), strict=True):
        yield [max(result.scores.values())], [float(result.label != row["label_text"])]


def of_answers(llm: HuggingFaceChat, data: Path, name: str) -> Iterator[tuple[list[float], list[float]]]:
    rows = _odd_rows(data / f"{name}.jsonl")
    inputs = [{"question": row["question"], "context": row["context"]} for row in rows]
    for row, answer in zip(rows, _batches(QAChain(llm, threshold=0), inputs), strict=True):
        truths = row["answers"]
        is_right = bool(truths) and question_answering.best(answer_f1, answer.text, row) >= RIGHT_F1
        yield ([answer.confidence], [float(not is_right)]) if answer.found else ([], [])


def of_entities(llm: HuggingFaceChat, data: Path, name: str) -> Iterator[tuple[list[float], list[float]]]:
    chain = NERChain(llm, entities.LABELS)
    rows = entities.read(data / f"{entities.FILES[name]}_test.jsonl")[1::2]
    for begin in range(0, len(rows), BATCH):
        part = rows[begin : begin + BATCH]
        labelled = [LabelledText.parse(row.example, chain.labels, row.text) for row in part]
        decoder = chain._learned_decoder()
        for scored in chain._score_labelled(labelled):
            path = share_of_false(decoder, scored)
            yield path.thresholds.tolist(), path.losses.tolist()


def _odd_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[1::2]]


def _batches(chain: Runnable[Any, Any], inputs: Sequence[Any]) -> Iterator[Any]:
    for begin in range(0, len(inputs), BATCH):
        yield from chain.batch(list(inputs[begin : begin + BATCH]))


DATA: dict[str, Callable[[HuggingFaceChat, Path, str], Iterator[tuple[list[float], list[float]]]]] = {
    "sst2": of_classification,
    "ag": of_classification,
    "trec": of_classification,
    "squad2_dev": of_answers,
    "wikineural": of_entities,
    "wnut17": of_entities,
}


def load(name: str, data: Path, scores: Path | None, model: str) -> Population:
    """Return the population of a data set, whose scores are computed if they are not saved."""
    saved = scores / f"{name}.json" if scores else None
    if saved and saved.exists():
        rows = json.loads(saved.read_text(encoding="utf-8"))
    else:
        rows = list(DATA[name](HuggingFaceChat(model=model), data, name))
        if saved:
            saved.parent.mkdir(parents=True, exist_ok=True)
            saved.write_text(json.dumps(rows), encoding="utf-8")
    texts = [ShareOfFalse(np.array(thresholds), np.array(losses)) for thresholds, losses in rows]
    return Population(texts, is_binary=DATA[name] is not of_entities)


def measure(population: Population, rows: int, error: float, draws: int) -> tuple[float, float, float]:
    """Return how often a guarantee is broken and how often there is one, and the share that is answered then."""
    rng = np.random.default_rng([rows, int(100 * error)])
    target = Target(error, CONFIDENCE, lowest=0.0 if population.is_binary else LOWEST_THRESHOLD)
    found = [population.guarantee(rng.integers(0, len(population.texts), rows), target) for _ in range(draws)]
    thresholds = [one.threshold for one in found if one.threshold is not None]
    broken = sum(population.risk(threshold) > error + 1e-9 for threshold in thresholds)
    answered = [population.answered(threshold) for threshold in thresholds]
    return broken / draws, len(thresholds) / draws, float(np.mean(answered)) if answered else 0.0


def expected_share(population: Population, rows: int, error: float, draws: int) -> float:
    """Return the mean share of false entities over draws of rows, with conformal risk control."""
    rng = np.random.default_rng([rows, int(100 * error), 1])
    losses = []
    for _ in range(draws):
        chosen = [population.texts[index] for index in rng.integers(0, len(population.texts), rows)]
        found = control_expected_share(chosen, Target(error, unit="entities", lowest=LOWEST_THRESHOLD))
        threshold = found.threshold if found.threshold is not None else 2.0
        losses.append(population.risk(threshold) * population.answered(threshold))
    return float(np.mean(losses))


def main(
    data: Annotated[Path, typer.Option(help="The folder with the JSON lines files.")],
    scores: Annotated[Path | None, typer.Option(help="A folder in which scores are kept.")] = None,
    only: Annotated[list[str] | None, typer.Option(help=f"Data sets: {', '.join(DATA)}; all if left out.")] = None,
    draws: Annotated[int, typer.Option(help="How many times rows are drawn.")] = 1_000,
    model: Annotated[str, typer.Option()] = "smollm2-135m",
) -> None:
    table = Table("data", "wrong of all", "error", *(f"{rows} rows" for rows in ROWS))
    for name in only or DATA:
        population = load(name, data, scores, model)
        for error in ERRORS:
            cells = []
            for rows in ROWS:
                broken, holds, answered = measure(population, rows, error, draws)
                cells.append(f"{100 * broken:.1f} % broken, holds {100 * holds:.0f} %, answers {100 * answered:.0f} %")
                if not population.is_binary:
                    cells[-1] += f"; expected {expected_share(population, rows, error, draws // 5):.3f}"
            print(name, f"{population.risk(LOWEST_THRESHOLD):.2f}", error, *cells, sep="\t", flush=True)
            table.add_row(name, f"{population.risk(LOWEST_THRESHOLD):.2f}", str(error), *cells)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
