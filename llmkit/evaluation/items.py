"""The items of a comparison: rows of a data file, with what each is asked and what the right result is."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmkit.errors import InputError
from llmkit.evaluation.plan import Plan

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Item:
    """A row of the data.

    Attributes:
        id: of the row: its column, or its number from 1.
        text: the input; for answers, the context.
        reference: the right result.
        question: for answers, the question.
        cluster: what it shares with others, such as a document; its id if there is no such column.
    """

    id: str
    text: str
    reference: Any
    question: str | None = None
    cluster: str = ""

    @property
    def key(self) -> str:
        """Stands for the item and its input: another text under the same id is another item."""
        content = json.dumps([self.id, self.text, self.question])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def input(self) -> Any:
        """What the chain of the item's cell gets."""
        return self.text if self.question is None else {"question": self.question, "context": self.text}


@dataclass(frozen=True)
class Data:
    """What a plan compares its cells on.

    Attributes:
        items: all cells get the same ones.
        examples: rows for few-shot prompts, none of which is an item: `input`, `output` and, for answers, `question`.
        labels: of a classification, or of entities.
    """

    items: tuple[Item, ...]
    examples: tuple[dict[str, Any], ...]
    labels: tuple[str, ...]

    def halves(self, holdout: float, seed: int) -> tuple[list[Item], list[Item]]:
        """Return the items to choose on, and those to report on; items of a cluster are on the same side.

        Which side an item is on depends on its cluster and the seed alone: more rows move none.

        Raises:
            InputError: one side would be empty.
        """
        if not holdout:
            return list(self.items), list(self.items)
        sides: tuple[list[Item], list[Item]] = ([], [])
        for item in self.items:
            digest = hashlib.sha256(f"{seed} {item.cluster}".encode()).digest()
            sides[int.from_bytes(digest[:8]) / 2**64 < holdout].append(item)
        if not all(sides):
            raise InputError(f"--holdout {holdout} leaves no items on one side of {len(self.items)}: give more items")
        return sides


def read_data(plan: Plan, limit: int | None = None) -> Data:
    """Read the items and examples of a plan.

    Examples are the rows of `example_data`; without it, the first rows of the data are set aside for them, as many as
    the cell with the most examples needs.

    Raises:
        InputError: a file cannot be read, a column is missing, ids are not unique, or an example is also an item.
    """
    rows = [*_read(plan.data)]
    if not rows:
        raise InputError(f"{plan.data} has no rows")
    if plan.example_data is None:
        pool, rows = rows[: plan.most_examples], rows[plan.most_examples :]
        if not rows:
            raise InputError(f"{plan.data} has {len(pool)} rows, which are all examples: give more, or example_data")
    else:
        pool = [*_read(plan.example_data)]
        if len(pool) < plan.most_examples:
            raise InputError(f"{plan.example_data} has {len(pool)} rows, but a cell asks for {plan.most_examples}")
    items = tuple(_item(plan, row, number) for number, row in enumerate(rows[:limit], 1))
    if double := [one for one, count in Counter(item.id for item in items).items() if count > 1]:
        raise InputError(f"{plan.data} has the id {double[0]!r} more than once: name another column with id = …")
    examples = tuple(_example(plan, row) for row in pool)
    _refuse_leaks(items, examples)
    return Data(items, examples, _labels(plan, [item.reference for item in items]))


def _refuse_leaks(items: Sequence[Item], examples: Sequence[Mapping[str, Any]]) -> None:
    """Raise `InputError` if an item is among the examples: its right result would be in the prompt."""
    shown = {_key(example["input"], example.get("question")) for example in examples}
    for item in items:
        if _key(item.text, item.question) in shown:
            raise InputError(f"item {item.id} is also an example, which shows its right result: take it out of one")


def _key(text: str, question: str | None) -> tuple[str, str]:
    return " ".join(text.split()), " ".join((question or "").split())


def _item(plan: Plan, row: Row, number: int) -> Item:
    place = f"row {number} of {plan.data}"
    id = str(row[plan.id]) if plan.id is not None and plan.id in row else str(number)
    if plan.id is not None and plan.id not in row:
        raise InputError(f"{place} has no column {plan.id!r}, but {', '.join(row)}")
    text = _text(plan.context if plan.task == "answer" else plan.input, row, place)
    question = _text(plan.input, row, place) if plan.task == "answer" else None
    cluster = id if plan.cluster is None else json.dumps(_cell(plan.cluster, row, place), ensure_ascii=False)
    return Item(id, text, _reference(plan, row, place), question, cluster)


def _example(plan: Plan, row: Row) -> dict[str, Any]:
    place = f"a row of {plan.example_data or plan.data}"
    reference = _reference(plan, row, place)
    output = reference[0] if plan.task != "entities" and isinstance(reference, list) and reference else reference
    text = _text(plan.context if plan.task == "answer" else plan.input, row, place)
    example = {"input": text, "output": output or ""}
    return example | ({"question": _text(plan.input, row, place)} if plan.task == "answer" else {})


def _reference(plan: Plan, row: Row, place: str) -> Any:
    value = _cell(plan.reference, row, place)
    match plan.task:
        case "classify":
            return str(value)
        case "entities":
            spans = isinstance(value, list) and all(
                isinstance(span, Mapping) and {"start", "end", "label"} <= span.keys() for span in value
            )
            if not spans:
                raise InputError(
                    f'{place} has {plan.reference} {value!r}, but needs a list of {{"start", "end", "label"}}'
                )
            return [{name: span[name] for name in ("start", "end", "label")} for span in value]
        case _:
            texts = value if isinstance(value, list) else [] if value is None else [value]
            texts = [text["text"] if isinstance(text, Mapping) and "text" in text else text for text in texts]
            if not all(isinstance(text, str) for text in texts):
                raise InputError(f"{place} has {plan.reference} {value!r}, but needs a text or a list of texts")
            return texts


def _text(column: str, row: Row, place: str) -> str:
    value = _cell(column, row, place)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{place} has no text in the column {column!r}")
    return value


def _cell(column: str, row: Row, place: str) -> Any:
    if column not in row:
        raise InputError(f"{place} has no column {column!r}, but {', '.join(row)}")
    return row[column]


def _labels(plan: Plan, references: Sequence[Any]) -> tuple[str, ...]:
    """Return the labels of the plan, or those of the references in alphabetical order."""
    if plan.task == "classify":
        found = sorted(set(references))
    elif plan.task == "entities":
        found = sorted({span["label"] for spans in references for span in spans})
    else:
        return ()
    if plan.labels and (unknown := [label for label in found if label not in plan.labels]):
        raise InputError(f"the data has the label {unknown[0]!r}, which is not among labels: {', '.join(plan.labels)}")
    return plan.labels or tuple(found)


def _read(path: Path) -> Iterator[Row]:
    """Yield the rows of a file of JSON Lines, CSV or Parquet."""
    try:
        match path.suffix.lower():
            case ".jsonl" | ".ndjson":
                yield from _read_json_lines(path)
            case ".csv" | ".tsv":
                with path.open(encoding="utf-8-sig", newline="") as file:
                    yield from csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            case ".parquet" | ".pq":
                yield from _read_parquet(path)
            case _:
                raise InputError(f"{path} is in a format that is not read: give .jsonl, .csv, .tsv or .parquet")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: {error.reason}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _read_json_lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise InputError(f"line {number} of {path} is not JSON: {error}") from error
                if not isinstance(row, dict):
                    raise InputError(f"line {number} of {path} is not a JSON object")
                yield row


def _read_parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise InputError('.parquet needs pyarrow: python -m pip install "llmkit[parquet]"') from error
    for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
        yield from batch.to_pylist()
