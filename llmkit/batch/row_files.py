"""Which files an input has, and in which format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llmkit.batch.json_rows import JsonRows
from llmkit.batch.parquet_rows import ParquetRows
from llmkit.batch.row_format import RowFormat
from llmkit.errors import InputError

FORMATS: dict[str, type[JsonRows] | type[ParquetRows]] = {
    ".jsonl": JsonRows,
    ".ndjson": JsonRows,
    ".parquet": ParquetRows,
    ".pq": ParquetRows,
}
"""The format of each ending."""


@dataclass(frozen=True)
class RowFiles:
    """The files of an input, all in one format."""

    paths: tuple[Path, ...]
    format: RowFormat

    @classmethod
    def find(cls, source: Path) -> RowFiles:
        """Return a file, or the files of a folder in the order of their names.

        Raises:
            InputError: there is no such file, no format that can be read, or more than one.
        """
        if not source.exists():
            raise InputError(f"{source} cannot be read: there is no such file or folder")
        hidden = ("_", ".")
        found = sorted(source.iterdir()) if source.is_dir() else [source]
        paths = [path for path in found if path.is_file() and (path == source or not path.name.startswith(hidden))]
        endings = {path.suffix.lower() for path in paths}
        formats = {FORMATS[ending] for ending in endings & FORMATS.keys()}
        if len(formats) != 1 or not endings <= FORMATS.keys():
            listed = f"files ending in {', '.join(sorted(endings))}" if endings else "no files"
            what = f"{source} has {listed}" if source.is_dir() else f"{source} is in a format that is not read"
            raise InputError(f"{what}: give .jsonl or .parquet files, all of one format")
        return cls(tuple(paths), formats.pop()())
