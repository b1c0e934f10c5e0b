"""Classification with 0 to 50 labelled texts a label: llmkit's kinds of evidence, and scikit-learn, on the same rows.

    python -m benchmarks.learning_curve --data FOLDER [--only ag] [--plot docs/classification.svg]

Measured are the odd rows of each file (the second, the fourth, …): all that was chosen was chosen on the others. Each
number of labelled texts is drawn several times from the pool; the 95 % interval is of the mean accuracy over draws, by
bootstrap over rows. The language model scores each prompt once, whatever the draw.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from langchain_core.embeddings import Embeddings
from pydantic import PrivateAttr
from rich.console import Console
from rich.table import Table

from benchmarks.classification import FILES, Row, Task, draw_examples, load_task
from benchmarks.setfit_peer import setfit_probabilities
from llmkit import HuggingFaceChat
from llmkit.chains import ZeroShotClassificationChain
from llmkit.chains.calibration import expected_calibration_error
from llmkit.models import default_embedder

COUNTS = {"ag": (2, 4, 8, 16, 50), "sst2": (2, 4, 8, 16, 50), "trec": (2, 4, 8, 16, 40), "banking77": (2, 5, 10)}
METHODS = {"scikit-learn": "tab:gray", "cascade": "tab:orange", "model and embedder": "tab:blue"}
TITLES = {"ag": "AG News", "sst2": "SST-2", "trec": "TREC", "banking77": "banking77"}
DRAWS = 12
SETFIT_COUNT = 8
Matrix = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Point:
    """Quality of a method with so many labelled texts of each label, on the mean over draws."""

    task: str
    method: str
    per_label: int
    accuracy: float
    low: float
    high: float
    log_loss: float
    brier: float
    calibration_error: float
    without_model: float


def quality(task: Task, method: str, per_label: int, draws: Sequence[tuple[Matrix, float]]) -> Point:
    """Return the mean quality of the draws' probabilities, and of the share of texts that the model did not see."""
    gold = np.array([task.labels.index(row["output"]) for row in task.rows])
    truth = np.eye(len(task.labels))[gold]
    right = np.mean([probabilities.argmax(1) == gold for probabilities, _ in draws], axis=0)
    rng = np.random.default_rng(0)
    means = [right[rng.integers(len(right), size=len(right))].mean() for _ in range(2000)]
    low, high = np.percentile(means, [2.5, 97.5])
    losses, briers, errors = [], [], []
    for probabilities, _ in draws:
        losses.append(-np.log(np.maximum(probabilities[np.arange(len(gold)), gold], 1e-12)).mean())
        briers.append(((probabilities - truth) ** 2).sum(1).mean())
        errors.append(expected_calibration_error(probabilities.max(1), probabilities.argmax(1) == gold))
    others = [float(np.mean(values)) for values in (losses, briers, errors, [share for _, share in draws])]
    return Point(task.name, method, per_label, float(right.mean()), float(low), float(high), *others)


class RememberingChat(HuggingFaceChat):
    """The language model, which scores each prompt once."""

    _known: dict[Any, Any] = PrivateAttr(default_factory=dict)

    def score(self, inputs: Sequence[Any], continuations: Any, **options: Any) -> Any:
        lists = [continuations] * len(inputs) if isinstance(continuations[0], str) else continuations
        keys = [(repr(one), tuple(words)) for one, words in zip(inputs, lists, strict=True)]
        new = list({key: place for place, key in enumerate(keys) if key not in self._known}.values())
        if new:
            rows = super().score([inputs[place] for place in new], [lists[place] for place in new], **options)
            self._known.update({keys[place]: row for place, row in zip(new, rows, strict=True)})
        return [self._known[key] for key in keys]


class Remembered(Embeddings):
    """An embedder that embeds each text once."""

    def __init__(self, embedder: Embeddings) -> None:
        self._embedder, self._known = embedder, dict[str, list[float]]()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(new, self._embedder.embed_documents(new), strict=True) if new else ())
        return [self._known[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def classify(chain: ZeroShotClassificationChain, task: Task) -> tuple[Matrix, float]:
    results = chain.batch([row["input"] for row in task.rows])
    without = np.mean([result.evidence == "embedder" for result in results])
    return np.array([list(result.scores.values()) for result in results]), float(without)


def regression(task: Task, embedder: Embeddings, examples: Sequence[Row]) -> tuple[Matrix, float]:
    """Return what scikit-learn's logistic regression on the embeddings says, as people write it."""
    from sklearn.linear_model import LogisticRegression

    embed = embedder.embed_documents
    model = LogisticRegression(max_iter=1000)
    model.fit(embed([row["input"] for row in examples]), [task.labels.index(row["output"]) for row in examples])
    return model.predict_proba(embed([row["input"] for row in task.rows])), 1.0


def points(llm: HuggingFaceChat, task: Task, draws: int, *, setfit: bool = False) -> Iterator[Point]:
    """Yield the quality of each method with each number of labelled texts."""
    embedder = Remembered(default_embedder())
    plain = ZeroShotClassificationChain(llm, task.labels)
    chain, cascade = (
        ZeroShotClassificationChain(llm, task.labels, embedder=embedder, max_accuracy_loss=loss)
        for loss in (None, 0.005)
    )
    yield quality(task, "model", 0, [classify(plain, task)])
    yield quality(task, "model and embedder", 0, [classify(chain, task)])
    for count in COUNTS[task.name]:
        samples = [draw_examples(task, count * len(task.labels), seed) for seed in range(draws)]
        if len(samples[0]) == len(task.pool):
            samples = samples[:1]
        if setfit and count == SETFIT_COUNT:
            yield quality(task, "SetFit", count, [(setfit_probabilities(task, samples[0]), 1.0)])
        yield quality(task, "scikit-learn", count, [regression(task, embedder, sample) for sample in samples])
        methods = {"model, examples": plain, "model and embedder": chain, "cascade": cascade}
        for name, one in methods.items():
            yield quality(task, name, count, [classify(one.fit(sample), task) for sample in samples])


def speeds(llm: HuggingFaceChat, task: Task) -> dict[str, float]:
    """Return the texts a second of the chain without a head, and where it is fitted to the whole pool."""
    texts, found = [row["input"] for row in task.rows], {}
    chain = ZeroShotClassificationChain(llm, task.labels, embedder="minilm-l6")
    for name, examples in (("zero-shot", ()), ("fitted", task.pool)):
        chain.fit(examples).batch(texts[:8])
        llm.engine.prefix_cache.clear()
        start = time.perf_counter()
        chain.batch(texts[8:])
        found[name] = (len(texts) - 8) / (time.perf_counter() - start)
    return found


def draw_plot(found: Sequence[Point], file: Path) -> None:
    """Draw accuracy against the number of labelled texts, for each data set."""
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(point.task for point in found))
    figure, axes = plt.subplots(1, len(names), figsize=(3.2 * len(names), 3.2), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        for method, color in METHODS.items():
            line = [point for point in found if (point.task, point.method) == (name, method)]
            axis.plot([one.per_label for one in line], [one.accuracy for one in line], "o-", color=color, label=method)
            if method == "model and embedder":
                limits = [one.low for one in line], [one.high for one in line]
                axis.fill_between([one.per_label for one in line], *limits, color=color, alpha=0.15)
        model = next(point.accuracy for point in found if (point.task, point.method) == (name, "model"))
        axis.axhline(model, color="tab:green", linestyle=":", label="model alone, no labelled texts")
        axis.set(title=TITLES[name], xlabel="labelled texts of each label", xscale="symlog", ylim=(0.2, 1))
        axis.set_xlim(-0.3, 70)
        axis.set_xticks([0, 2, 8, 50], ["0", "2", "8", "50"])
    axes[0][0].set_ylabel("accuracy")
    axes[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(file)


def main(
    data: Annotated[Path, typer.Option(help="The folder with the JSON lines files.")],
    only: Annotated[list[str] | None, typer.Option(help=f"Data sets: {', '.join(FILES)}; all if left out.")] = None,
    draws: Annotated[int, typer.Option(help="How often each number of texts is drawn.")] = DRAWS,
    plot: Annotated[Path | None, typer.Option(help="Draw the accuracies into this file.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write the figures into this JSON file.")] = None,
    speed: Annotated[bool, typer.Option(help="Measure the texts a second, too.")] = True,
    setfit: Annotated[bool, typer.Option(help=f"SetFit beside it, with {SETFIT_COUNT} of each label.")] = False,
    model: Annotated[str, typer.Option()] = "smollm2-135m",
) -> None:
    console, llm, found, rates = Console(width=120), RememberingChat(model=model), list[Point](), {}
    for name in only or FILES:
        task = load_task(data, name, 10_000)
        table = Table("method", "a label", "accuracy", "log-loss", "Brier", "ECE", "without model", title=name)
        for point in points(llm, task, draws, setfit=setfit):
            found.append(point)
            interval = f"{point.accuracy:.3f} ({point.low:.3f} to {point.high:.3f})"
            others = (point.log_loss, point.brier, point.calibration_error, point.without_model)
            cells = [point.method, str(point.per_label), interval, *(f"{value:.3f}" for value in others)]
            table.add_row(*cells)
            print(name, *cells, sep="\t", flush=True)
        console.print(table)
        if speed:
            rates[name] = speeds(HuggingFaceChat(model=model), task)
            console.print(name, "texts a second:", rates[name])
    if output:
        output.write_text(json.dumps({"points": [asdict(point) for point in found], "texts_a_second": rates}, indent=1))
    if plot:
        draw_plot(found, plot)


if __name__ == "__main__":
    typer.run(main)
