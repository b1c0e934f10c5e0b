"""The folder of a batch's output: part files, each complete or absent, and a manifest of what made them.

    _manifest.json         the fingerprint and all that is in it, the specification, the engine and the format
    part-00000.jsonl       rows; or .parquet
    .part-00001.journal    rows of the next part, added as they are done; a run that goes on makes a part of them
    part-5f0c….jsonl       rows that a worker of Ray or Spark wrote, named by a digest of their ids
    .drafts-…/             what these workers write, until it is complete

Names that begin with `_` or `.` are no data to Spark, Ray and Arrow.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from filelock import FileLock, Timeout

from llmkit.batch.fingerprint import Identity, differences, fingerprint
from llmkit.batch.row_format import Block, Journal, RowFormat, Status
from llmkit.batch.spec import ChainSpec
from llmkit.batch.worker import Outcome
from llmkit.errors import InputError, RunError

MANIFEST = "_manifest.json"
_DRAFTS, _REMOVED = ".drafts-", ".removed"
VERSION = "llmkit batch, version 1"
ROWS_PER_PART = 10_000
"""The most rows of a part file, but for those of its last batch."""

P = ParamSpec("P")
R = TypeVar("R")


def _writes(method: Callable[P, R]) -> Callable[P, R]:
    """Let a method of a folder raise `RunError` where the system refuses to write, as on a full disk."""

    @wraps(method)
    def write(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except OSError as error:
            folder: Any = args[0]
            what = f"{folder.path} cannot be written: {error.strerror or error}"
            raise RunError(f"{what}; what is done is kept, and the same command goes on") from error

    return write


class OutputFolder:
    """Part files that rows are added to, and their manifest.

    Args:
        path: the folder.
        format: of the part files.
        id_column: the column with the ids.
    """

    def __init__(self, path: Path, format: RowFormat, id_column: str) -> None:
        self.path, self.format, self.id_column = path, format, id_column
        self._journal: Journal | None = None
        self._journal_path, self._journal_rows = Path(), 0
        self._schema: Any = None
        self._drafts = Path()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Keep other runs out of the folder, and finish the part that an earlier run left.

        Raises:
            InputError: it is no folder of a batch, cannot be written, or another run writes to it.
            RunError: it cannot be written to any more, as on a full disk; so do all methods that write.
        """
        if self.path.exists() and not (self.path.is_dir() and (self._has_manifest() or self._is_empty())):
            raise InputError(f"{self.path} exists, and is no output of llmkit batch: name another folder")
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}") from error
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(f"another run writes to {self.path}: wait for it, or name another folder") from error
        try:
            self._recover()
            yield
        finally:
            self._close()
            lock.release()

    def _has_manifest(self) -> bool:
        return (self.path / MANIFEST).is_file()

    def _is_empty(self) -> bool:
        return not any(path.name != ".lock" for path in self.path.iterdir())

    @_writes
    def check_manifest(self, spec: ChainSpec, identity: Identity, engine: str) -> None:
        """Check that the folder is of this computation; a new one gets its manifest.

        Raises:
            InputError: it is of another; says what differs.
        """
        facts = {"engine": engine, "format": self.format.ending, "id_column": self.id_column}
        if not self._has_manifest():
            content = {"version": VERSION, "fingerprint": fingerprint(identity), **facts, "identity": identity}
            draft = self.path / f".{MANIFEST}.draft"
            draft.write_text(json.dumps({**content, "spec": json.loads(spec.to_json())}, indent=1), encoding="utf-8")
            draft.replace(self.path / MANIFEST)
            return
        try:
            found = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
            before, was = found["identity"], {name: found[name] for name in facts}
            is_other = found["version"] != VERSION
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InputError(f"{self.path / MANIFEST} is damaged: name another folder") from error
        other = differences({**was, **before}, {**facts, **identity})
        if other or is_other:
            reason = "; ".join(other[:3]) or "another version of llmkit wrote it"
            advice = "run the command that began it, or name another folder"
            raise InputError(f"{self.path} has results of another run, which are not mixed ({reason}): {advice}")

    def parts(self) -> list[Path]:
        """Return all part files."""
        found = self.path.glob(f"*{self.format.ending}")
        return sorted(path for path in found if not path.name.startswith(("_", ".")))

    def read_status(self) -> Iterator[list[Status]]:
        """Yield which rows are done, and their errors."""
        for part in self.parts():
            yield from self.format.read_status(part, self.id_column)

    @_writes
    def remove_errors(self) -> None:
        """Remove the rows with an error, so that they are computed again."""
        for part in self.parts():
            if not any(error for rows in self.format.read_status(part, self.id_column) for _, error in rows):
                continue
            draft = part.with_name(f".{part.name}.draft")
            try:
                left = self.format.write_without_errors(part, draft)
                draft.replace(part)
                if not left:
                    part.unlink()
            finally:
                draft.unlink(missing_ok=True)

    @contextmanager
    def drafts(self) -> Iterator[Path]:
        """Give a folder in which workers of an engine write parts until they are complete, and remove it at the end.

        Each run has one of its own. Where a run was killed, the next one removes it before it reads what is done: a
        worker that outlives its run can then complete no part.
        """
        self._drafts = self.path.resolve() / f"{_DRAFTS}{uuid.uuid4().hex}"
        self._drafts.mkdir()
        try:
            yield self._drafts
        finally:
            self._remove_drafts()

    def _remove_drafts(self) -> None:
        for drafts in self.path.glob(f"{_DRAFTS}*"):
            drafts.rename(self.path / f"{_REMOVED}{drafts.name}")  # all of it at once: workers may still write there
        for removed in self.path.glob(f"{_REMOVED}*"):
            shutil.rmtree(removed, ignore_errors=True)

    def has_part(self, block: Block) -> bool:
        """Return whether a worker of this run wrote these rows already."""
        return self._part_of(block).exists()

    @_writes
    def write_part(self, block: Block, outcomes: Sequence[Outcome]) -> None:
        """Write a part file of rows, from any process and machine that has the folder."""
        part = self._part_of(block)
        draft = self._drafts / f"{uuid.uuid4().hex}{part.suffix}"
        journal = self.format.open_journal(draft.with_suffix(".journal"))
        try:
            journal.append(block, outcomes)
        finally:
            journal.close()
        self.format.finish(draft.with_suffix(".journal"), draft)
        draft.replace(part)

    def _part_of(self, block: Block) -> Path:
        digest = hashlib.sha256("\n".join(block.ids).encode()).hexdigest()[:32]
        return self._drafts.parent / f"part-{digest}{self.format.ending}"

    @_writes
    def append(self, block: Block, outcomes: Sequence[Outcome]) -> None:
        """Add rows to the current part; rows with other columns begin another one."""
        if self._journal is not None and (self._journal_rows >= ROWS_PER_PART or block.schema != self._schema):
            self.finish_part()
        if self._journal is None:
            numbers = [int(path.stem.removeprefix("part-")) for path in self.parts() if path.stem[5:].isdigit()]
            name = f"part-{max(numbers, default=-1) + 1:05}"
            self._journal_path, self._journal_rows = self.path / f".{name}.journal", 0
            self._journal = self.format.open_journal(self._journal_path)
        self._journal.append(block, outcomes)
        self._journal_rows, self._schema = self._journal_rows + len(block.ids), block.schema

    @_writes
    def finish_part(self) -> None:
        """Make a part file of the journal."""
        if self._journal is not None:
            self._close()
            self._finish(self._journal_path)

    def _close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    @_writes
    def _recover(self) -> None:
        """Make part files of what a run left that was killed, and remove what it did not complete."""
        for draft in self.path.glob(".*.draft"):
            draft.unlink()
        for journal in sorted(self.path.glob(".part-*.journal")):
            self._finish(journal)
        self._remove_drafts()

    def _finish(self, journal: Path) -> None:
        self.format.finish(journal, self.path / f"{journal.stem.removeprefix('.')}{self.format.ending}")
