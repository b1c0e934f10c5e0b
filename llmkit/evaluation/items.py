"""The items of a comparison: rows of a data file, with what each is asked and what the right result is."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from llmkit.errors import InputError
from llmkit.evaluation.data_files import Row, read_rows
from llmkit.evaluation.plan import Plan
from llmkit.prompts.validation import validate_text


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
    rows = [*enumerate(read_rows(plan.data), 1)]
    if not rows:
        raise InputError(f"{plan.data} has no rows")
    if plan.example_data is None:
        count = plan.example_rows or plan.most_examples
        pool, rows = rows[:count], rows[count:]
        if not rows:
            raise InputError(f"{plan.data} has {len(pool)} rows, which are all examples: give more, or example_data")
    else:
        pool = [*enumerate(read_rows(plan.example_data), 1)]
    _check_examples(plan, len(pool))
    every = [_item(plan, row, number) for number, row in rows]
    if double := [one for one, count in Counter(item.id for item in every).items() if count > 1]:
        raise InputError(f"{plan.data} has the id {double[0]!r} more than once: name another column with id = …")
    items, examples = tuple(every[:limit]), tuple(_example(plan, row, number) for number, row in pool)
    _refuse_leaks(items, examples)
    return Data(items, examples, _labels(plan, [item.reference for item in every]))


def _check_examples(plan: Plan, count: int) -> None:
    """Raise `InputError` if a cell asks for more examples than there are, or its selector has nothing to choose."""
    source = plan.example_data or plan.data
    for cell in plan.cells:
        if cell.examples > count:
            raise InputError(f"{source} has {count} examples, but the cell {cell.name!r} asks for {cell.examples}")
        if cell.selector != "first" and 0 < cell.examples == count:
            raise InputError(
                f"the selector of the cell {cell.name!r} has {count} examples to choose {count} from: set aside more "
                "rows with example_rows = …, or give example_data"
            )


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


def _example(plan: Plan, row: Row, number: int) -> dict[str, Any]:
    place = f"row {number} of {plan.example_data or plan.data}"
    reference = _reference(plan, row, place, plan.example_reference)
    output = reference[0] if plan.task != "entities" and isinstance(reference, list) and reference else reference
    text = _text(plan.context if plan.task == "answer" else plan.input, row, place)
    example = {"input": text, "output": output or ""}
    return example | ({"question": _text(plan.input, row, place)} if plan.task == "answer" else {})


def _reference(plan: Plan, row: Row, place: str, column: str | None = None) -> Any:
    column = column or plan.reference
    value = _cell(column, row, place)
    match plan.task:
        case "classify":
            if value is None or not str(value).strip():
                raise InputError(f"{place} has no label in the column {column!r}")
            return validate_text(str(value), f"{place}, {column},")
        case "entities":
            return _spans(plan, row, value, place)
        case _:
            if isinstance(value, Mapping) and "text" in value:  # SQuAD's {"text": […], "answer_start": […]}
                value = value["text"]
            texts = value if isinstance(value, list) else [] if value is None else [value]
            texts = [text["text"] if isinstance(text, Mapping) and "text" in text else text for text in texts]
            if not all(isinstance(text, str) for text in texts):
                raise InputError(f"{place} has {column} {value!r:.80}, but needs a text or a list of texts")
            return [validate_text(text, f"{place}, {column},") for text in texts]


def _spans(plan: Plan, row: Row, value: Any, place: str) -> list[dict[str, Any]]:
    """Return the entities of a reference, which a CSV file has as JSON."""
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    names, text = ("start", "end", "label"), _text(plan.input, row, place)
    if not isinstance(value, list) or not all(isinstance(span, Mapping) and {*names} <= span.keys() for span in value):
        raise InputError(f'{place} has {plan.reference} {value!r:.80}, but needs a list of {{"start", "end", "label"}}')
    for span in value:
        start, end, label = (span[name] for name in names)
        if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(text):
            raise InputError(f"{place} has an entity from {start!r} to {end!r} in a text of {len(text)} characters")
        if not isinstance(label, str) or not label.strip():
            raise InputError(f"{place} has an entity with the label {label!r}, but needs a text")
    return [{name: span[name] for name in names} for span in value]


def _text(column: str, row: Row, place: str) -> str:
    value = _cell(column, row, place)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{place} has no text in the column {column!r}")
    return validate_text(value, f"{place}, {column},")


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
