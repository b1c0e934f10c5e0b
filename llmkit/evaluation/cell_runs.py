"""The results of cells: computed by `llmkit.batch` item by item, kept in folders, and read back.

    runs/dialogsum/
      cells/zero-shot-1f0c…/    one folder for each cell and seed, as `llmkit batch` writes it
      items-….jsonl             the inputs that cells are run on
      results.json, report.html, differences.svg

A folder's name ends with a fingerprint of everything that changes its results, so that a plan that was changed never
meets results of what it was, and a cell that was not changed is never computed again, whatever its name is now.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from llmkit.batch import ChainSpec, run_batch
from llmkit.batch.fingerprint import fingerprint, identify
from llmkit.batch.json_rows import read_objects
from llmkit.batch.run import Engine
from llmkit.batch.spec import load_model
from llmkit.batch.worker import CHAIN_ROWS
from llmkit.errors import InputError
from llmkit.evaluation.cell_chain import cell_spec
from llmkit.evaluation.cells import Cell
from llmkit.evaluation.items import Data, Item
from llmkit.evaluation.plan import Plan

Progress = Callable[[str, int, int], None]
"""Is called with the name of a cell, and how many results of all cells are done, of how many."""


class ItemCost(NamedTuple):
    """What an item took: seconds, tokens of its text, and the peak of memory in bytes."""

    seconds: float
    tokens: int | None
    memory: int | None


@dataclass(frozen=True)
class ItemResult:
    """What a cell gave for an item: the fields of a result, or an error; and what it cost."""

    fields: Mapping[str, Any] | None
    error: Mapping[str, str] | None
    cost: ItemCost

    @property
    def text(self) -> str:
        """The result as a line of text."""
        if self.fields is None:
            return f"error: {(self.error or {}).get('message', '')}"
        if "entities" in self.fields:
            return "; ".join(f"{entity['text']} ({entity['label']})" for entity in self.fields["entities"])
        if "label" in self.fields:
            return str(self.fields["label"])
        return str(self.fields.get("text") or "no answer")


@dataclass
class CellRuns:
    """Runs cells on items, and keeps what was computed.

    Args:
        plan: whose cells are run.
        data: of the plan.
        output: the folder.
        engine: of the batch.
        workers: processes of the batch.
        retry_failed: compute items that have an error again.
        progress: is told what is done.
    """

    plan: Plan
    data: Data
    output: Path
    engine: Engine = "local"
    workers: int = 1
    retry_failed: bool = False
    progress: Progress = lambda cell, done, total: None
    computed: int = 0
    _model: tuple[str, Any] = field(default=("", None), init=False)

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            InputError: it cannot be made, or has other things in it.
        """
        if self.output.is_dir() and not (self.output / "cells").is_dir() and any(self.output.iterdir()):
            raise InputError(f"{self.output} exists, and is no output of llmkit compare: name another folder")
        try:
            (self.output / "cells").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.output} cannot be written: {error.strerror}") from error

    def run(self, cell: Cell, items: Sequence[Item]) -> list[list[ItemResult]]:
        """Return the results of a cell on items, in their order: a list for each repeat; see `run_all`."""
        return self.run_all([cell], items)[cell.name]

    def run_all(self, cells: Sequence[Cell], items: Sequence[Item]) -> dict[str, list[list[ItemResult]]]:
        """Return the results of cells, by their names, on items, in their order: a list for each repeat.

        Raises:
            RunError: a worker died, or a folder cannot be written; what is done is kept.
        """
        seeds = {cell.name: range(self.plan.seed, self.plan.seed + self._repeats(cell)) for cell in cells}
        total, done = len(items) * sum(map(len, seeds.values())), 0
        found: dict[str, list[list[ItemResult]]] = {cell.name: [] for cell in cells}
        for cell in cells:
            for seed in seeds[cell.name]:
                name = f"{cell.name}, seed {seed}" if len(seeds[cell.name]) > 1 else cell.name
                report = partial(_report, self.progress, name, done, done + len(items), total)
                found[cell.name].append(self._run(cell.with_seed(seed), items, report))
                done += len(items)
        return found

    def _repeats(self, cell: Cell) -> int:
        return self.plan.repeats if cell.is_sampled else 1

    def _run(self, cell: Cell, items: Sequence[Item], report: Callable[[int, int], None]) -> list[ItemResult]:
        spec = cell_spec(cell, self.plan.task, self.data, self.plan.seed)
        folder = self._folder_of(cell, spec)
        found = _read(folder)
        failed = {key for key, result in found.items() if result.error is not None}
        if any(item.key not in found or (self.retry_failed and item.key in failed) for item in items):
            self._share_model(spec)
            summary = run_batch(
                spec,
                self._write_items(items),
                folder,
                engine=self.engine,
                workers=self.workers,
                batch_rows=CHAIN_ROWS,  # that are lost at most where a run is killed
                retry_failed=self.retry_failed,
                progress=report,
            )
            self.computed += summary.computed
            found = _read(folder)
        return [found[item.key] for item in items]

    def _folder_of(self, cell: Cell, spec: ChainSpec) -> Path:
        """Return the folder of a cell's results; the one that is there already, if the cell only has a new name."""
        cells, digest = self.output / "cells", fingerprint(identify(spec))
        return next(cells.glob(f"*-{digest}"), cells / f"{_file_name(cell.name)}-{digest}")

    def _share_model(self, spec: ChainSpec) -> None:
        """Keep the model of a cell, so that the next one with the same finds its weights loaded."""
        key = json.dumps([spec.model, spec.device, spec.dtype, spec.quantization, spec.base_url, spec.context_window])
        if self.engine == "local" and self.workers == 1 and key != self._model[0]:
            self._model = ("", None)  # first, so that two are never in memory
            self._model = (key, load_model(spec))

    def _write_items(self, items: Sequence[Item]) -> Path:
        lines = [json.dumps({"id": item.key, "text": item.input}, ensure_ascii=False) for item in items]
        text = "\n".join(lines) + "\n"
        path = self.output / f"items-{fingerprint({'items': text})}.jsonl"
        if not path.exists():
            draft = path.with_suffix(".draft")
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)  # complete or absent, also where a run is killed
        return path


def _report(progress: Progress, cell: str, before: int, most: int, total: int, done: int, _: int) -> None:
    """Tell the progress of a cell as that of all cells."""
    progress(cell, min(before + done, most), total)


def _file_name(name: str) -> str:
    """Return a name that any file system takes."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold())[:40].strip("-") or "cell"


def _read(folder: Path) -> dict[str, ItemResult]:
    """Return the results in the folder of a cell by the keys of their items."""
    found: dict[str, ItemResult] = {}
    for part in sorted(folder.glob("[!_.]*.jsonl")):
        try:
            for _, row in read_objects(part):
                meta = row["meta"]
                cost = ItemCost(meta.get("seconds", 0.0), meta.get("tokens"), meta.get("memory"))
                found[row["id"]] = ItemResult(row["result"], row["error"], cost)
        except (InputError, LookupError, TypeError, AttributeError) as error:
            raise InputError(f"{part} is damaged: remove it, and its items are computed again ({error})") from error
    return found
