r"""Many documents: one on each line of the input, one JSON object on each line of the output, in the same order.

A line is plain text or, where it begins with a brace, a JSON object with a `"text"` (`\n` is a line end there) and
perhaps an `"id"`, which is passed on. A broken object is an error and never taken for text.
Line n of the output is `{"line": n, …}` with the fields of the chain's result, or `{"line": n, "error": "…"}` where
document n failed.

A run with an output file can be interrupted at any time, and the same command continues it. Each of its lines has a
`"key"`: a hash of the settings and of all input lines so far. So the key of the last line says whether the file
belongs to this input and these settings. A line that was written only in part is written again.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from llmkit.cli import console, files
from llmkit.errors import InputError, RunError

BATCH_SIZE = 8
"""Documents that are computed and written together: what an interruption may cost."""
BATCH_CHARACTERS = 50_000
"""Batches are smaller where documents are long."""


@dataclass
class _Document:
    """A line of the input; with an `error` where it is not a document."""

    number: int
    key: str
    text: str = ""
    error: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Tally:
    """How many lines of the output are written, how many of them are errors, and the key of the last."""

    written: int = 0
    failed: int = 0
    first_error: str = ""
    key: str = ""

    def count(self, row: Mapping[str, Any]) -> None:
        self.written += 1
        self.key = row.get("key", "")
        if "error" in row:
            self.failed += 1
            self.first_error = self.first_error or str(row["error"])


def run(file: str, output: Path | None, load_chain: Callable[[], Any], *, settings: Mapping[str, Any]) -> None:
    """Run a chain on every line of a file.

    Args:
        file: the input; `-` is standard input.
        output: the file to write, or None for standard output.
        load_chain: returns the chain; called once, and only if there is a document to compute.
        settings: all that the results depend on, apart from the input.

    Raises:
        InputError: the file cannot be read, or the output is of another run; nothing was computed.
        RunError: the output cannot be written, or documents failed; all others are done.
    """
    files.note_typing(file)
    done = _Tally()
    try:
        with ExitStack() as stack:
            source = _open_input(file, stack)
            sink = _open_output(output, file, done, stack) if output else sys.stdout.buffer
            documents = _unwritten(_documents(source, settings), done)
            total = _count_lines(file) if output or not sys.stdout.isatty() else None
            update = stack.enter_context(console.progress("documents", total))
            chain = None
            for batch in _batches(documents):
                update(completed=done.written)
                good = [document.text for document in batch if not document.error]
                chain = chain or (load_chain() if good else None)
                results = iter(chain.batch(good, return_exceptions=True) if chain and good else ())
                for document in batch:
                    result = InputError(document.error) if document.error else next(results)
                    row = _row(document, result, with_key=output is not None)
                    _write(sink, row, output)
                    done.count(row)
    except KeyboardInterrupt:
        if output:
            console.note(f"{done.written} documents are done; the same command continues")
        raise
    if done.failed:
        raise RunError(f"{done.failed} of {done.written} documents failed, the first because {done.first_error}")


def _open_input(file: str, stack: ExitStack) -> Iterable[bytes]:
    if file == "-":
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(file).open("rb"))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error


def _open_output(path: Path, source: str, done: _Tally, stack: ExitStack) -> BinaryIO:
    """Open a file to append to, count the lines of an earlier run, and cut off one that was written only in part."""
    files.check_output(path, source)
    try:
        output: Any = stack.enter_context(path.open("a+b", buffering=0))  # unbuffered: each line is one write
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    size = 0
    with path.open("rb") as rows:
        for number, line in enumerate(rows, 1):
            if not line.endswith(b"\n") and line[:9] == b'{"line": '[: len(line)]:
                break
            row = _parse_object(line)
            if row is None or row.get("line") != number or not isinstance(row.get("key"), str):
                raise InputError(f"{path} exists and has no results (line {number}): name another file")
            size += len(line)
            done.count(row)
    output.truncate(size)
    return output  # type: ignore[no-any-return]


def _count_lines(file: str) -> int | None:
    """Count the lines of a file; those of a pipe are not known."""
    path = Path(file)
    if not path.is_file():
        return None
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def _documents(source: Iterable[bytes], settings: Mapping[str, Any]) -> Iterator[_Document]:
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for number, line in enumerate(source, 1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        line = line.rstrip(b"\r\n")
        digest.update(b"\n" + line)
        document = _Document(number, digest.hexdigest()[:16])
        try:
            _read_line(document, line.decode())
        except UnicodeDecodeError as error:
            document.error = f"the line is not UTF-8 text: byte {error.start + 1} is 0x{line[error.start]:02x}"
        yield document


def _read_line(document: _Document, line: str) -> None:
    if not line.lstrip().startswith("{"):
        document.text = line
    elif (value := _parse_object(line)) is None:
        document.error = 'the line begins with { but is not a JSON object: correct it, or write a text as {"text": …}'
        return
    elif isinstance(value.get("text"), str):
        document.text = value["text"].replace("\r\n", "\n")
        document.fields = {"id": value["id"]} if "id" in value else {}
    else:
        document.error = 'the line is a JSON object without a "text"'
        return
    if "\0" in document.text:
        document.error = "the line is not text: it has NUL characters"
    elif not document.text.strip():
        document.error = "the line is empty"


def _unwritten(documents: Iterable[_Document], done: _Tally) -> Iterator[_Document]:
    """Skip the documents that an earlier run has written, and check that it was a run of these."""
    written, key, number = done.written, done.key, 0
    for number, document in enumerate(documents, 1):
        if number == written and document.key != key:
            raise InputError(
                f"the {written} lines of --output are of another input or other options: name another file, "
                "or remove it"
            )
        if number > written:
            yield document
    if number < written:
        raise InputError(f"--output has {written} lines, more than the input: name another file, or remove it")


def _batches(documents: Iterable[_Document]) -> Iterator[list[_Document]]:
    batch: list[_Document] = []
    for document in documents:
        batch.append(document)
        if len(batch) == BATCH_SIZE or sum(len(each.text) for each in batch) >= BATCH_CHARACTERS:
            yield batch
            batch = []
    if batch:
        yield batch


def _row(document: _Document, result: Any, *, with_key: bool) -> dict[str, Any]:
    if isinstance(result, Exception):
        fields = {"error": " ".join(str(result).split())}
    else:
        fields = result.model_dump(mode="json")
    key = {"key": document.key} if with_key else {}
    return {"line": document.number, **key, **document.fields, **fields}


def _write(sink: BinaryIO, row: dict[str, Any], path: Path | None) -> None:
    data = json.dumps(row, ensure_ascii=False).encode() + b"\n"
    try:
        while data:
            data = data[sink.write(data) or 0 :]
        sink.flush()
    except OSError as error:
        if path is None:
            raise
        raise RunError(f"{path} cannot be written: {error.strerror}; the same command continues") from error


def _parse_object(line: str | bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
