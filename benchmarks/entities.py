"""Entities: exact spans and labels, what is made up, false positives and speed, stock recipe and ours on the same rows.

    python -m benchmarks.entities --data FOLDER [--rows N] [--half odd] [--only ours] [--corpus wnut17]

F1 is nervaluate's "strict": the same characters and the same label, of person, organization and location. Groups and
corporations of WNUT-17 are organizations; other labels of either corpus are left out. Examples are the first rows of
the data's training pool. The stock recipe is `PromptTemplate | HuggingFacePipeline`, which asks for JSON, for
`FewShotPromptTemplate` takes no braces: whatever of its answer can be read as a list of objects counts, and each name
is taken where it first stands in the text. Ours scores a text once, whatever the number of examples, so its speed is
that without any.
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
HOW = "Extract the entities from the text as a JSON list of objects with 'text' and 'label'."
_OBJECT = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class Row:
    """A text, and its entities: start, end and label."""

    text: str
    entities: tuple[tuple[int, int, str], ...]

    @property
    def example(self) -> dict[str, Any]:
        named = [{"text": self.text[start:end], "label": label} for start, end, label in self.entities]
        return {"input": self.text, "output": named}


@dataclass(frozen=True)
class Told:
    """What a way found in one text.

    Attributes:
        parses: whether its answer could be read.
        stands: for each entity that it named, whether it stands in the text.
    """

    entities: tuple[tuple[int, int, str], ...]
    parses: bool = True
    stands: tuple[bool, ...] = ()


class Remembering(HuggingFaceChat):
    """Scores the same texts once, for chains that differ only in what they make of the scores."""

    _known: dict[str, Any] = PrivateAttr(default_factory=dict)

    def score(self, inputs: Any, continuations: Any, *, include_eos: bool = False) -> Any:
        key = repr((inputs, continuations, include_eos))
        if key not in self._known:
            self._known[key] = super().score(inputs, continuations, include_eos=include_eos)
        return self._known[key]


Way = Callable[[Sequence[str]], list[Told]]


def read(path: Path) -> list[Row]:
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = []
    for row in map(json.loads, lines):
        known = [each for each in row["entities"] if each["label"] in NAMES]
        rows.append(Row(row["text"], tuple((each["start"], each["end"], NAMES[each["label"]]) for each in known)))
    return rows


def ours(llm: HuggingFaceChat, examples: Sequence[Row]) -> Way:
    chain = NERChain(llm, LABELS, examples=[each.example for each in examples])
    chain.invoke("The weather was cold.")  # what is learned once

    def run(texts: Sequence[str]) -> list[Told]:
        return [
            Told(tuple((each.start, each.end, each.label) for each in found), stands=(True,) * len(found))
            for found in chain.batch(texts)
        ]

    return run


def stock(folder: Path, examples: Sequence[Row]) -> Way:
    shown = "".join(f"Text: {each.text}\nEntities: {json.dumps(each.example['output'])}\n\n" for each in examples)
    prompt = PromptTemplate.from_template(
        "{how} The labels are {labels}.\n\n{shown}Text: {input}\nEntities:",
        partial_variables={"how": HOW, "labels": ", ".join(LABELS), "shown": shown},
    )
    chain = prompt | stock_pipeline(folder, 128)

    def run(texts: Sequence[str]) -> list[Told]:
        answers = chain.batch([{"input": text} for text in texts])
        return [lenient(answer, text) for answer, text in zip(answers, texts, strict=True)]

    return run


def lenient(answer: str, text: str) -> Told:
    """Read as much of an answer as can be: its first list, or every object that is complete."""
    first = answer.split("\nText:")[0]
    try:
        start = first.index("[")
        named, whole = json.JSONDecoder().raw_decode(first[start:])[0], True
    except ValueError:
        named, whole = list(objects(first)), False
    places, stands = [], []
    for each in named:
        if isinstance(each, dict) and isinstance(each.get("text"), str) and each.get("label") in LABELS:
            at = text.find(each["text"]) if each["text"] else -1
            stands.append(at >= 0)
            if at >= 0:
                places.append((at, at + len(each["text"]), each["label"]))
    return Told(tuple(dict.fromkeys(places)), whole, tuple(stands))


def objects(answer: str) -> Iterator[Any]:
    for match in _OBJECT.finditer(answer):
        try:
            yield json.loads(match.group())
        except ValueError:
            continue


def figures(rows: Sequence[Row], told: Sequence[Told]) -> list[str]:
    def listed(entities: tuple[tuple[int, int, str], ...]) -> list[dict[str, Any]]:
        return [{"start": start, "end": end - 1, "label": label} for start, end, label in entities]

    truth, found = [listed(row.entities) for row in rows], [listed(each.entities) for each in told]
    strict = Evaluator(truth, found, list(LABELS), loader="dict").evaluate()["overall"]["strict"]
    empty = [len(each.entities) for row, each in zip(rows, told, strict=True) if not row.entities]
    stands = [each for one in told for each in one.stands]
    return [
        *(f"{value:.2f}" for value in (strict.f1, strict.precision, strict.recall)),
        f"{sum(each.parses for each in told) / len(told):.2f}",
        f"{sum(stands) / len(stands):.2f}" if stands else "",
        f"{sum(empty) / len(empty):.2f}" if empty else "",
        f"{sum(map(bool, empty)) / len(empty):.2f}" if empty else "",
    ]


def main(
    data: Annotated[Path, typer.Option(help="The folder with the JSON lines files.")],
    rows: Annotated[int, typer.Option(help="Texts of each corpus.")] = 250,
    half: Annotated[str, typer.Option(help="Of the rows: all, odd or even.")] = "all",
    corpus: Annotated[list[str] | None, typer.Option(help=f"Corpora: {', '.join(FILES)}; all if left out.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only ours, or stock.")] = None,
    shots: Annotated[list[int] | None, typer.Option(help="Numbers of examples.")] = None,
    model: Annotated[str, typer.Option()] = "smollm2-135m",
) -> None:
    llm, folder = Remembering(model=model), resolve(model)
    heads = ("F1", "precision", "recall", "parses", "in text", "false a row", "false rows", "texts a second")
    for name in corpus or FILES:
        every = read(data / f"{FILES[name]}_test.jsonl")
        taken = every[1 if half == "odd" else 0 :: 1 if half == "all" else 2][:rows]
        pool = read(data / f"{FILES[name]}_train_pool.jsonl")
        empty = sum(not row.entities for row in taken)
        table = Table("way", *heads, title=f"{name}: {len(taken)} texts, {empty} of them without entities")
        for count in shots or (0, 8, 16):
            for kind in only or ("ours", "stock"):
                examples = pool[:count]
                run = ours(llm, examples) if kind == "ours" else stock(folder, examples)
                way = f"{kind}, {count} shots"
                start = time.perf_counter()
                told = run([row.text for row in taken])
                speed = "" if kind == "ours" and count else f"{len(taken) / (time.perf_counter() - start):.2f}"
                cells = [*figures(taken, told), speed]
                print(name, way, *cells, sep="\t", flush=True)
                table.add_row(way, *cells)
        Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
