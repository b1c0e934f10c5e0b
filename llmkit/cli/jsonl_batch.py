r"""Many documents: one on each line of the input, one JSON object on each line of the output, in the same order.

A line is plain text or, where it begins with a brace, a JSON object with a `"text"` (`\n` is a line end there) and
perhaps an `"id"`, which is passed on. A broken object is an error and never taken for text.
Line n of the output is `{"line": n, …}` with the fields of the chain's result, or `{"line": n, "error": "…"}` where
document n failed.

A run with an output file can be interrupted at any time, and the same command continues it. Each of its lines has a
`"key"`: a hash of the worker's fingerprint and of all input lines so far. So the key of the last line says whether the
file belongs to this input and these settings. A line that was written only in part is written again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from llmkit.cli import console, files, hints
from llmkit.cli.control_characters import to_json
from llmkit.cli.option_names import as_typed
from llmkit.errors import InputError, RunError
from llmkit.files import encodings, formats
from llmkit.pipes import open_input

if TYPE_CHECKING:
    from io import BufferedReader

BATCH_SIZE = 8  # documents that are computed and written together: what an interruption may cost
BATCH_CHARACTERS = 50_000  # batches are smaller where documents are long


class Worker(Protocol):
    """What a `ChainWorker` is to a run."""

    @property
    def fingerprint(self) -> str:
        """Stands for everything that changes results."""

    def results(self, inputs: Sequence[str]) -> list[Any]:
        """Return the result of each text, or its error."""


@dataclass
class _Document:
    """A line of the input: its text, or why it has none."""

    number: int
    key: str
    text: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    error: InputError | None = None


def run(
    file: str,
    output: Path | None,
    worker: Worker,
    *,
    finish: Callable[[], None] = lambda: None,
    finished: Path | None = None,
) -> None:
    """Run a worker on every line of a file.

    Input `-` is standard input, and output None standard output. The worker is used only if there is a document to
    compute, and its fingerprint only if there is a line. `finish` is called when
    all documents are done, whether or not some of them failed, and makes the file `finished` of the output. The output
    is then a file that nobody named, so a link or a device is refused.

    Raises:
        InputError: the file cannot be read, or the output is of another run; nothing was computed.
        RunError: the output cannot be written, or documents failed; all others are done.
    """
    hints.check_file(file, hints.no_web_page)
    files.note_typing(file)
    sink: _Output | None = None
    try:
        with ExitStack() as stack:
            try:
                opened = sys.stdin.buffer if file == "-" else stack.enter_context(open_input(file))
                stream, name = cast("BufferedReader", opened), files.shown_name(file)
                _refuse_other_formats(stream, name)
            except OSError as error:
                raise InputError(f"{files.shown_name(file)} cannot be read: {error.strerror or error}") from error
            sink = _Output(output, file, stack, is_named=finished is None)
            update = stack.enter_context(console.progress("documents", _total(file, output)))
            lines = encodings.utf8_lines(stream, name)
            for batch in _batches(_unwritten(_documents(lines, worker), sink)):
                update(completed=sink.written)
                texts = [document.text for document in batch if not document.error]
                results = iter(worker.results(texts) if texts else ())
                for document in batch:
                    sink.write(document, document.error or next(results))
    except KeyboardInterrupt:
        if output and sink:
            console.note(f"{sink.written} documents are done; the same command continues")
        raise
    finish()
    if sink.failed:
        what = f"{sink.failed} of {sink.written} documents failed, first line {sink.first_failed}: {sink.first_error}"
        raise RunError(
            f"{what}; the others are in {finished or output}" if output and sink.failed < sink.written else what
        )


def _refuse_other_formats(stream: BufferedReader, name: str) -> None:
    """Raise `InputError` if the first bytes are those of another format than text."""
    head = stream.peek(formats.HEAD)[: formats.HEAD]
    if formats.is_pdf(head):
        raise InputError(f"{name} is a PDF, but --lines needs a document on each line: leave out --lines")
    formats.refuse_known(head, name)
    formats.refuse_binary(head, name)


class _Output:
    """Standard output, or a file that an earlier run may have begun; counts what is in it."""

    def __init__(self, path: Path | None, source: str, stack: ExitStack, *, is_named: bool) -> None:
        self.written = self.failed = self.first_failed = 0
        self.first_error = self.key = ""
        self._path, self.name = path, "--output" if is_named else str(path)
        files.check_output(path, source)
        if path:
            continues = not files.is_device(path)  # /dev/full has no end, and a pipe nothing to go on from
            if not is_named:
                files.check_regular(path, "--output")
            opener = None if is_named else files.open_own
            try:  # unbuffered: each line is one write
                file = open(path, "a+b" if continues else "wb", buffering=0, opener=opener)  # noqa: SIM115
                self._file = stack.enter_context(file)
            except OSError as error:
                raise InputError(f"{path} cannot be written: {error.strerror}") from error
            if continues:
                self._file.truncate(self._read(path))

    def _read(self, path: Path) -> int:
        """Count the lines that are there; return the size of those that were written completely."""
        size = 0
        with os.fdopen(os.dup(self._file.fileno()), "rb") as rows:
            rows.seek(0)
            for number, line in enumerate(rows, 1):
                begin = b'{"line": %d, "key": "' % number
                if not line.endswith(b"\n") and (line.startswith(begin) or begin.startswith(line)):
                    break  # it was being written
                row = _parse_object(line)
                if row is None or row.get("line") != number or not isinstance(row.get("key"), str):
                    raise InputError(f"{path} exists and has no results (line {number}): name another file")
                size += len(line)
                self._count(row)
        return size

    def write(self, document: _Document, result: Any) -> None:
        """Write a result, or an error in its place."""
        failed = isinstance(result, Exception)
        fields = {"error": " ".join(as_typed(str(result)).split())} if failed else result.model_dump(mode="json")
        key = {"key": document.key} if self._path else {}
        row = {"line": document.number, **key, **document.fields, **fields}
        if self._path is None:
            console.output_json(row)
        line = to_json(row).encode() + b"\n"
        try:
            while self._path and line:
                line = line[self._file.write(line) or 0 :]
        except OSError as error:
            raise RunError(f"{self._path} cannot be written: {error.strerror}; the same command continues") from error
        self._count(row)

    def _count(self, row: Mapping[str, Any]) -> None:
        self.written += 1
        self.failed += "error" in row
        self.first_failed = self.first_failed or ("error" in row and self.written)
        self.key, self.first_error = row.get("key", ""), self.first_error or row.get("error", "")


def _total(file: str, output: Path | None) -> int | None:
    """Count the lines of the input, where it is a file and progress does not get between results on a terminal."""
    if not Path(file).is_file() or (output is None and sys.stdout.isatty()):
        return None
    with Path(file).open("rb") as stream:
        return sum(1 for _ in encodings.utf8_lines(stream, file))


def _documents(lines: Iterable[bytes], worker: Worker) -> Iterator[_Document]:
    digest = hashlib.sha256()
    for number, line in enumerate(lines, 1):
        if number == 1:
            digest.update(worker.fingerprint.encode())
        line = line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").rstrip(b"\r\n")
        digest.update(b"\n" + line)
        document = _Document(number, digest.hexdigest()[:16])
        try:
            document.text, document.fields = _parse_line(line)
        except InputError as error:
            document.error = error
        yield document


def _parse_line(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return the text of a line, and its id if it has one."""
    fields: dict[str, Any] = {}
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        place, byte = error.start + 1, line[error.start]
        raise InputError(f"the line is not UTF-8 text: byte {place} is 0x{byte:02x}") from error
    if text.lstrip().startswith("{"):
        value = _parse_object(text)
        if value is None:
            raise InputError('the line begins with { but is not a JSON object: write a text as {"text": …}')
        if not isinstance(value.get("text"), str):
            raise InputError('the line is a JSON object without a "text"')
        text, fields = value["text"].replace("\r\n", "\n"), {"id": value["id"]} if "id" in value else {}
    if "\0" in text:
        raise InputError("the line is not text: it has NUL characters")
    if not text.strip():
        raise InputError("the line is empty")
    return text, fields


def _unwritten(documents: Iterable[_Document], sink: _Output) -> Iterator[_Document]:
    """Skip the documents that an earlier run has written, and check that it was a run of these."""
    number, written, key = 0, sink.written, sink.key
    for number, document in enumerate(documents, 1):
        if number == written and document.key != key:
            what = f"the {written} lines of {sink.name} are of another input or other options"
            raise InputError(f"{what}: name another file, or remove it")
        if number > written:
            yield document
    if number < written:
        raise InputError(f"{sink.name} has {written} lines, more than the input: name another file, or remove it")


def _batches(documents: Iterable[_Document]) -> Iterator[list[_Document]]:
    batch: list[_Document] = []
    for document in documents:
        batch.append(document)
        if len(batch) == BATCH_SIZE or sum(len(document.text) for document in batch) >= BATCH_CHARACTERS:
            yield batch
            batch = []
    if batch:
        yield batch


def _parse_object(line: str | bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
