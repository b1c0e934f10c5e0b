"""Where the result of a command goes and in which format: the ending of `--output` chooses it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from llmkit.cli import console, files, jsonl_batch, tables
from llmkit.cli.control_characters import to_json
from llmkit.errors import InputError

if TYPE_CHECKING:
    from rich.text import Text

Format = Literal["text", "json", "jsonl", "csv", "tsv", "md", "parquet"]
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".md": "md",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".tsv": "tsv",
    ".txt": "text",
}
"""The format of each ending."""
NAMES = {"text": "plain text", "json": "JSON", "jsonl": "a JSON object on each line"}
_ENDINGS = ".csv, .tsv, .json, .jsonl, .md, .parquet or .txt"
_OTHERS = re.compile(
    r"\.(xls[xm]?|ods|docx?|od[tp]|rtf|pdf|pptx?|x?html?|xml|ya?ml|toml|feather|arrow|avro|orc|db|sqlite3?|pkl|pickle|"
    r"zip|gz|bz2|xz|zst|7z|tar|tgz|png|jpe?g|svg)"
)
"""Endings of formats that nobody expects plain text in."""
_AS_IT_IS = ("md", "summarize")  # a summary in Markdown is its text


@dataclass(frozen=True)
class Destination:
    """A file or, without a path, standard output; and the format of what is written."""

    path: Path | None
    format: Format

    @classmethod
    def choose(cls, path: Path | None, *inputs: Any, as_json: bool, lines: bool = False) -> Destination:
        """Check before any work that the output can be written, and choose its format.

        Args:
            path: the file of `--output`.
            inputs: files that are read, and must not be written over.
            as_json: whether `--json` asks for JSON.
            lines: whether there is a result for each line of the input.

        Raises:
            InputError: the file cannot be written, or not in the format that its name asks for.
        """
        usual: Format = "jsonl" if lines else "json" if as_json else "text"
        files.check_output(path, *inputs)
        if path is None:
            return cls(None, usual)
        ending = path.suffix.lower()
        chosen = FORMATS.get(ending)
        if _OTHERS.fullmatch(ending):
            raise InputError(f"{path} cannot be written as a {ending} file: name it {_ENDINGS}")
        if as_json and chosen in ("csv", "tsv", "md", "parquet"):
            raise InputError(
                f"--json writes JSON, but {path} is a {ending} file: leave --json out, or name a .json file"
            )
        if chosen == "parquet":
            tables.require_parquet()
        if chosen is None and not files.is_device(path):
            console.note(f"{path} gets {NAMES[usual]}: for another format name it {_ENDINGS}")
        return cls(path, usual if chosen is None or (as_json and chosen == "text") else chosen)

    def write(self, command: str, fields: Any, text: str | Sequence[Text]) -> None:
        """Write the result of a command: `fields` are those of `--json`, and `text` is what a terminal shows."""
        if self.path is None or self.format in ("json", "jsonl", "text") or (self.format, command) == _AS_IT_IS:
            is_json = self.format in ("json", "jsonl")
            if is_json and self.path is None:
                console.output_json(fields)
            else:
                files.write(to_json(fields) if is_json else text, self.path)
            return
        _write_table(self.path, self.format, command, lambda: iter(tables.rows_of(command, fields)))

    def run_lines(self, command: str, file: str, worker: jsonl_batch.Worker) -> None:
        """Run a worker on every line of a file (see `jsonl_batch.run`), and write the results.

        JSON Lines are written as they come. Another format is written when all documents are done; until then the
        results are in a `.partial.jsonl` file beside it, from which an interrupted run continues.
        """
        if self.path is None or self.format == "jsonl":
            jsonl_batch.run(file, self.path, worker)
            return
        path, done = self.path, self.path.with_name(f"{self.path.name}.partial.jsonl")
        if path.exists() and not files.is_device(path):
            raise InputError(f"{path} exists already: name another file, or remove it")
        convert = partial(_convert, path, self.format, command, done)
        jsonl_batch.run(file, done, worker, finish=convert, finished=path)


def _convert(path: Path, format: Format, command: str, done: Path) -> None:
    """Write the results of a complete run in their format, and remove the file of JSON Lines that they are in."""

    def results() -> Iterator[dict[str, Any]]:
        with open(done, encoding="utf-8", opener=files.open_own) as lines:
            yield from ({name: value for name, value in json.loads(line).items() if name != "key"} for line in lines)

    def rows() -> Iterator[tables.Row]:
        return (row for fields in results() for row in tables.rows_of(command, fields))

    if format in ("json", "text"):
        with files.replacing(path) as part, files.open_text(part) as file:
            if format == "json":
                tables.write_json(file, results())
            else:
                file.writelines(f"{tables.one_line(command, fields)}\n" for fields in results())
    else:
        _write_table(path, format, command, rows)
    done.unlink()


def _write_table(path: Path, format: Format, command: str, rows: Callable[[], Iterator[tables.Row]]) -> None:
    columns = tables.columns_of(command, rows())
    with files.replacing(path) as part:
        if format == "parquet":
            tables.write_parquet(part, columns, rows)
            return
        with files.open_text(part) as file:
            if format == "md":
                tables.write_markdown(file, columns, rows())
            else:
                tables.write_csv(file, columns, rows(), "\t" if format == "tsv" else ",")
