"""Entities: exact spans and labels, invented names, false positives and speed of the stock recipe and llmkit.

    python -m benchmarks.entities --data FOLDER [--rows N] [--half odd] [--only ours] [--corpus wnut17]

F1 is nervaluate's "strict": the same characters and the same label, of person, organization and location. Groups and
corporations of WNUT-17 are organizations; other labels of either corpus are left out. Examples are the first rows of
the data's training pool. The stock recipe is `PromptTemplate | HuggingFacePipeline`, which asks for JSON, for
`FewShotPromptTemplate` takes no braces: every object that can be parsed from its answer counts, and each name
is located at its first occurrence in the text. llmkit scores a text once for any number of examples, so its speed is
measured without examples.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from langchain_core.prompts import PromptTemplate
from nervaluate.evaluator import Evaluator
from pydantic import PrivateAttr
from rich.console import Console
from rich.table import Table

from benchmarks.peer import stock_pipeline
from llmkit import HuggingFaceChat
from llmkit.chains import NERChain
from llmkit.models.weights.catalog import resolve

LABELS = ("person", "organization", "location")
FILES = {"wikineural": "wikineural_en", "wnut17": "wnut17"}
NAMES = {
    **{"PER": "person", "ORG": "organization", "LOC": "location"},
    **{"person": "person", "group": "organization", "corporation": "organization", "location": "location"},
}
INSTRUCTION = "Extract the entities from the text as a JSON list of objects with 'text' and 'label'."
_OBJECT = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class Row:
    """A text, and its entities: start, end and label."""

    text: str
    entities: tuple[tuple[int, int, str], ...]

    @property
    def example(self) -> dict[str, Any]:
        items = [{"text": self.text[start:end], "label": label} for start, end, label in self.entities]
        return {"input": self.text, "output": items}


@dataclass(frozen=True)
class Prediction:
    """The entities that a method found in one text.

    Attributes:
        parses: whether the answer could be parsed.
        verbatim: for each entity of the answer, whether it occurs in the text.
    """

    entities: tuple[tuple[int, int, str], ...]
    parses: bool = True
    verbatim: tuple[bool, ...] = ()


class CachedScoresChat(HuggingFaceChat):
    """Caches scores, for chains that differ only in how they use the scores."""

    _cached_scores: dict[str, Any] = PrivateAttr(default_factory=dict)

    def score(self, inputs: Any, continuations: Any, *, include_eos: bool = False) -> Any:
        key = repr((inputs, continuations, include_eos))
        if key not in self._cached_scores:
            self._cached_scores[key] = super().score(inputs, continuations, include_eos=include_eos)
        return self._cached_scores[key]


Method = Callable[[Sequence[str]], list[Prediction]]


def read(path: Path) -> list[Row]:
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = []
    for row in map(json.loads, lines):
        entities = [entity for entity in row["entities"] if entity["label"] in NAMES]
        rows.append(
            Row(row["text"], tuple((entity["start"], entity["end"], NAMES[entity["label"]]) for entity in entities))
        )
    return rows


def ours(llm: HuggingFaceChat, examples: Sequence[Row]) -> Method:
    chain = NERChain(llm, LABELS, examples=[row.example for row in examples])
    chain.invoke("The weather was cold.")  # compute the priors once, before timing

    def run(texts: Sequence[str]) -> list[Prediction]:
        return [
            Prediction(
                tuple((entity.start, entity.end, entity.label) for entity in found), verbatim=(True,) * len(found)
            )
            for found in chain.batch(texts)
        ]

    return run


def stock(folder: Path, examples: Sequence[Row]) -> Method:
    rendered_examples = "".join(
        f"Text: {row.text}\nEntities: {json.dumps(row.example['output'])}\n\n" for row in examples
    )
    prompt = PromptTemplate.from_template(
        "{how} The labels are {labels}.\n\n{shown}Text: {input}\nEntities:",
        partial_variables={"how": INSTRUCTION, "labels": ", ".join(LABELS), "shown": rendered_examples},
    )
    chain = prompt | stock_pipeline(folder, 128)

    def run(texts: Sequence[str]) -> list[Prediction]:
        answers = chain.batch([{"input": text} for text in texts])
        return [parse_leniently(answer, text) for answer, text in zip(answers, texts, strict=True)]

    return run


def parse_leniently(answer: str, text: str) -> Prediction:
    """Parse as much of an answer as possible: its first list, or every complete object."""
    first = answer.split("\nText:")[0]
    try:
        start = first.index("[")
        items, parses = json.JSONDecoder().raw_decode(first[start:])[0], True
    except ValueError:
        items, parses = list(objects(first)), False
    spans, verbatim = [], []
    for entity in items:
        if isinstance(entity, dict) and isinstance(entity.get("text"), str) and entity.get("label") in LABELS:
            start_in_text = text.find(entity["text"]) if entity["text"] else -1
            verbatim.append(start_in_text >= 0)
            if start_in_text >= 0:
                spans.append((start_in_text, start_in_text + len(entity["text"]), entity["label"]))
    return Prediction(tuple(dict.fromkeys(spans)), parses, tuple(verbatim))


def objects(answer: str) -> Iterator[Any]:
    for match in _OBJECT.finditer(answer):
        try:
            yield json.loads(match.group())
        except ValueError:
            continue


def figures(rows: Sequence[Row], predicted: Sequence[Prediction]) -> list[str]:
    def listed(entities: tuple[tuple[int, int, str], ...]) -> list[dict[str, Any]]:
        return [{"start": start, "end": end - 1, "label": label} for start, end, label in entities]

    truth, found = [listed(row.entities) for row in rows], [listed(item.entities) for item in predicted]
    strict = Evaluator(truth, found, list(LABELS), loader="dict").evaluate()["overall"]["strict"]
    empty = [len(item.entities) for row, item in zip(rows, predicted, strict=True) if not row.entities]
    verbatim = [occurs for item in predicted for occurs in item.verbatim]
    return [
        *(f"{value:.2f}" for value in (strict.f1, strict.precision, strict.recall)),
        f"{sum(item.parses for item in predicted) / len(predicted):.2f}",
        f"{sum(verbatim) / len(verbatim):.2f}" if verbatim else "",
        f"{sum(empty) / len(empty):.2f}" if empty else "",
        f"{sum(map(bool, empty)) / len(empty):.2f}" if empty else "",
    ]


def main(
    data: Annotated[Path, typer.Option(help="The folder with the JSON lines files.")],
    rows: Annotated[int, typer.Option(help="Texts of each corpus.")] = 250,
    half: Annotated[str, typer.Option(help="Of the rows: all, odd or even.")] = "all",
    corpus: Annotated[list[str] | None, typer.Option(help=f"Corpora: {', '.join(FILES)}; all if left out.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only ours, or stock.")] = None,
    counts: Annotated[list[int] | None, typer.Option("--examples", help="Numbers of examples.")] = None,
    model: Annotated[str, typer.Option()] = "smollm2-135m",
) -> None:
    llm, folder = CachedScoresChat(model=model), resolve(model)
    heads = ("F1", "precision", "recall", "parses", "in text", "false a row", "false rows", "texts a second")
    for name in corpus or FILES:
        all_rows = read(data / f"{FILES[name]}_test.jsonl")
        selected = all_rows[1 if half == "odd" else 0 :: 1 if half == "all" else 2][:rows]
        pool = read(data / f"{FILES[name]}_train_pool.jsonl")
        empty = sum(not row.entities for row in selected)
        table = Table("method", *heads, title=f"{name}: {len(selected)} texts, {empty} of them without entities")
        for count in counts or (0, 8, 16):
            for method in only or ("ours", "stock"):
                examples = pool[:count]
                run = ours(llm, examples) if method == "ours" else stock(folder, examples)
                name_in_table = f"{method}, {count} examples"
                start = time.perf_counter()
                predicted = run([row.text for row in selected])
                speed = "" if method == "ours" and count else f"{len(selected) / (time.perf_counter() - start):.2f}"
                cells = [*figures(selected, predicted), speed]
                print(name, name_in_table, *cells, sep="\t", flush=True)
                table.add_row(name_in_table, *cells)
        Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
