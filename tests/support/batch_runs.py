"""Inputs of batches, runs in processes of their own that are killed, and what a folder has after them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llmkit.batch import ChainSpec

_PROGRAM = """
import sys
from llmkit.batch import ChainSpec, run_batch
from llmkit.errors import LlmkitError

if __name__ == "__main__":
    spec, source, output, engine, workers = sys.argv[1:]
    try:
        run_batch(ChainSpec.from_json(spec), source, output, engine=engine, workers=int(workers), batch_rows=4)
    except LlmkitError as error:
        sys.exit(str(error))
"""


def write_rows(path: Path, texts: Iterable[str | None], first_id: int = 0) -> Path:
    """Write rows with an id, a text and another column."""
    rows = [{"id": first_id + index, "text": text, "extra": [index, None]} for index, text in enumerate(texts)]
    if path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path.write_text("".join(lines), encoding="utf-8")
    return path


def read_parts(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of all part files in their order, with results, errors and how they were made as values."""
    rows: list[dict[str, Any]] = []
    for part in sorted(folder.glob("[!_.]*")):
        if part.suffix == ".parquet":
            from pyarrow import parquet

            for row in parquet.read_table(part).to_pylist():
                values = {name: row[name] and json.loads(row[name]) for name in ("result", "error", "meta")}
                rows.append(row | values)
        else:
            rows += [json.loads(line) for line in part.read_text(encoding="utf-8").splitlines()]
    return rows


def without_meta(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows in the order of their ids without how they were made, which has a time."""
    kept = [{name: value for name, value in row.items() if name != "meta"} for row in rows]
    return sorted(kept, key=lambda row: row["id"])


def start_run(spec: ChainSpec, source: Path, output: Path, engine: str = "local", workers: int = 1) -> Any:
    """Start a run in a process of its own."""
    script = output.with_name("run.py")
    script.write_text(_PROGRAM)
    command = [sys.executable, str(script), spec.to_json(), str(source), str(output), engine, str(workers)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for(log: Path, lines: int, process: Any) -> None:
    """Wait until a log has so many lines."""
    while not (log.exists() and len(log.read_text().splitlines()) >= lines):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


def finish_run(process: Any) -> str:
    """Wait for the end of a run; return its error, and nothing if it ended well."""
    err = str(process.communicate()[1]).strip()
    return err if process.returncode else ""
