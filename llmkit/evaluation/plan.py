"""A plan: what is compared, on which data and by which metrics; a short TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

from llmkit.errors import InputError
from llmkit.evaluation.cells import Cell, Task, cell_keys, parse_cells, product_of

_TEXTS = ("task", "data", "input", "reference", "context", "id", "cluster", "example_data", "example_reference")
_TYPES: dict[str, tuple[type, str]] = {
    **dict.fromkeys(_TEXTS, (str, "a text")),
    **dict.fromkeys(("labels", "metrics"), (list, "a list of texts")),
    **dict.fromkeys(("repeats", "seed", "example_rows"), (int, "a whole number")),
    "optimize": (bool, "true or false"),
}


@dataclass(frozen=True)
class Plan:
    """What is compared; the attributes are the keys of the file.

    Attributes:
        task: "generate" gives a prompt to a model; "summarize", "classify", "entities" and "answer" run a chain.
        data: a file of JSON Lines, CSV or Parquet, relative to the plan.
        input, reference: the columns with the text, or the question, and with the right result.
        cells: what is compared: tables [[cells]], or the product of the lists of [matrix]. Keys of a cell at the top
            of the file hold for all cells.
        context: for "answer", the column with the text that has the answer.
        id, cluster: columns with the id of a row, and with what rows share, such as a document.
        labels: of a classification, or of entities; by default those of the references.
        metrics: names, or `module:function`; the first decides. By default those of the task.
        example_data: rows with examples; by default the first rows of the data, which are then no items.
        example_reference: the column of examples with the right result, if it is not that of `reference`.
        example_rows: how many first rows are set aside; by default as many as the cell with the most examples shows.
        repeats: how often a cell that samples is run, each time with the next seed.
        seed: of sampling, of the draws of the statistics, and of the halves.
        optimize: find the best cell by successive halving.
        folder: of the plan.
    """

    task: Task
    data: Path
    input: str
    reference: str
    cells: tuple[Cell, ...]
    context: str = "context"
    id: str | None = None
    cluster: str | None = None
    labels: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    example_data: Path | None = None
    example_reference: str | None = None
    example_rows: int | None = None
    repeats: int = 1
    seed: int = 0
    optimize: bool = False
    folder: Path = Path()

    @property
    def most_examples(self) -> int:
        """How many examples the cell with the most has."""
        return max(cell.examples for cell in self.cells)

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Read a plan.

        Raises:
            InputError: it is no TOML, or a key or a value is wrong; says which.
        """
        path = Path(path)
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
        except ValueError as error:  # of TOML or UTF-8
            raise InputError(f"{path} is not TOML: {error}") from error
        try:
            return cls.parse(values, path.parent)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, values: Mapping[str, Any], folder: Path = Path()) -> Plan:
        """Return the plan of parsed TOML, whose paths are relative to a folder."""
        values = dict(values)
        order = [key for key in values if key in ("matrix", "cells")]  # of the file: the first cell is the baseline
        matrix, named = values.pop("matrix", {}), values.pop("cells", [])
        if not isinstance(matrix, dict) or not all(isinstance(cell, dict) for cell in named):
            raise InputError("matrix must be a table, [matrix], and cells must be tables, [[cells]]")
        task: Any = values.get("task")
        if task not in get_args(Task):
            raise InputError(f"task is {task!r}, but must be one of {', '.join(get_args(Task))}")
        own = {key: values.pop(key) for key in [*values] if key in _TYPES}
        _check(own)
        if unknown := [key for key in values if key not in cell_keys(task)]:
            raise InputError(
                f"unknown key {unknown[0]!r}: a plan has {', '.join(_TYPES)}, matrix, cells, and keys of cells"
            )
        given = [cell for key in order for cell in (product_of(matrix) if key == "matrix" else named)]
        cells = parse_cells(given, values, task, folder)
        paths: dict[str, Any] = {key: folder / own.pop(key) for key in ("data", "example_data") if key in own}
        lists: dict[str, Any] = {key: tuple(own.pop(key)) for key in ("labels", "metrics") if key in own}
        return cls(**own, **paths, **lists, cells=cells, folder=folder)

    def with_only(self, names: Sequence[str], baseline: str | None = None) -> Plan:
        """Return the plan with some of its cells and the baseline; all if no names are given."""
        if not names:
            return self
        kept = {self.find_cell(name).name for name in [*names, baseline or self.cells[0].name]}
        return replace(self, cells=tuple(cell for cell in self.cells if cell.name in kept))

    def with_data(self, path: Path) -> Plan:
        """Return the plan with another file of data; or with its files, data and examples, in another folder."""
        if not path.is_dir():
            return replace(self, data=path)
        examples = self.example_data and path / self.example_data.name
        return replace(self, data=path / self.data.name, example_data=examples)

    def find_cell(self, name: str) -> Cell:
        """Return the cell of a name; raise `InputError` if there is none."""
        for cell in self.cells:
            if cell.name == name:
                return cell
        raise InputError(f"no cell is called {name!r}: there are {', '.join(cell.name for cell in self.cells)}")


def _check(values: Mapping[str, Any]) -> None:
    """Raise `InputError` if a key of a plan is missing, or its value is of the wrong type."""
    needed = [each.name for each in fields(Plan)][:4]
    if missing := [key for key in needed if key not in values]:
        raise InputError(f"{missing[0]} is missing")
    for key, value in values.items():
        kind, name = _TYPES[key]
        of_texts = kind is not list or (isinstance(value, list) and all(isinstance(one, str) for one in value))
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)) or not of_texts:
            raise InputError(f"{key} is {value!r}, but must be {name}")
    for key in ("repeats", "example_rows"):
        if values.get(key, 1) < 1:
            raise InputError(f"{key} must be at least 1")
    if {"example_data", "example_rows"} <= values.keys():
        raise InputError("example_data and example_rows both say where examples are from: give one of them")
