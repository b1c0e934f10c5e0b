r"""Many documents: one a line in, one JSON object a line out, in the same order. Every command's `--lines`.

A command gives `run` its input, its output, and a function that loads what does the work:

    def load() -> Work:                     # called once, when the first document is there
        chain = ...
        return lambda texts: chain.batch(texts, return_exceptions=True)

    lines.run(file, output, load, settings={"command": "summarize", "model": model, ...}, quiet=quiet)

A line is plain text or, where it begins with a brace, a JSON object with a `"text"`, in which `\n` is a line end; an
`"id"` in it is handed on. A broken object is an error, never taken for text: a text that begins with a brace is
written as an object.
Line n of the output belongs to line n of the input: `{"line": n, ...the result's fields}`, or
`{"line": n, "error": "what was wrong"}` where a document failed.

With an output file a run may break off at any time, and the same command goes on with it. Each object in the file has
a `"key"`, made from the line and the settings, so that a file of another input or other settings is refused; a line
that was written only in part is written again.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmkit.cli import files, progress
from llmkit.errors import InputError, RunError

if TYPE_CHECKING:
    from pydantic import BaseModel

Work = Callable[[list[str]], "Sequence[BaseModel | Exception]"]
"""Gives a result, or the error it failed with, for each text."""

AT_ONCE = 8
"""Documents that are worked on, and written, together: what an interrupt may cost."""
CHARACTERS_AT_ONCE = 50_000
"""Fewer documents, where they are long."""


@dataclass
class _Document:
    """A line of the input; with an `error` where it is no document."""

    number: int
    key: str
    text: str = ""
    error: str = ""
    given: dict[str, Any] = field(default_factory=dict)


def batches(chain: Any) -> Work:
    """Work on documents with a chain: all of them together, and what is wrong with one fails alone."""
    return lambda texts: chain.batch(list(texts), return_exceptions=True)


def run(
    file: str, output: Path | None, load: Callable[[], Work], *, settings: Mapping[str, Any], quiet: bool = False
) -> None:
    """Work on every line of `file`, or of standard input for `-`; results go to `output`, or to standard output.

    Raises:
        InputError: the file cannot be read, or the output holds something else; nothing was computed.
        RunError: the output cannot be written, or documents failed: all others were done.
    """
    sink: _Sink | None = None
    try:
        with ExitStack() as stack:
            progress.tell_typing(file, quiet=quiet)
            source = _open_input(file, stack)
            sink = _File(output, file, stack) if output else _Sink()
            bar = stack.enter_context(progress.bar("documents", total=_count(file), quiet=quiet))
            _work(_documents(source, settings), sink, load, bar)
    except KeyboardInterrupt:
        if output and sink and not quiet:
            print(f"note: {sink.written} documents are done; the same command goes on", file=sys.stderr)
        raise
    if sink.failed:
        raise RunError(f"{sink.failed} of {sink.written} documents failed, the first because {sink.first_error}")


def _work(documents: Iterable[_Document], sink: _Sink, load: Callable[[], Work], bar: progress.Bar) -> None:
    """Work on what is left of the documents, as many at once as a batch holds."""
    work: Work | None = None
    bar.advance(len(sink.keys))
    for chunk in _chunks(_left(documents, sink)):
        good = [each for each in chunk if not each.error]
        work = work or (load() if good else None)
        results = iter(work([each.text for each in good]) if work and good else ())
        for each in chunk:
            sink.write(each, InputError(each.error) if each.error else next(results))
        bar.advance(len(chunk))


class _Sink:
    """Standard output."""

    def __init__(self) -> None:
        self.keys: list[str] = []  # of the lines that an earlier run has written
        self.written = self.failed = 0
        self.first_error = ""

    def write(self, document: _Document, result: BaseModel | Exception) -> None:
        """Write a result, or the error in its place."""
        if isinstance(result, Exception):
            told: dict[str, Any] = {"error": " ".join(str(result).split())}
        else:
            told = result.model_dump(mode="json")
        value = {"line": document.number, **self._mark(document), **document.given, **told}
        self._put(json.dumps(value, ensure_ascii=False).encode() + b"\n")
        self._tally(value)

    def _mark(self, document: _Document) -> dict[str, str]:
        return {}

    def _put(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def _tally(self, value: Mapping[str, Any]) -> None:
        self.written += 1
        if "error" in value:
            self.failed += 1
            self.first_error = self.first_error or str(value["error"])


class _File(_Sink):
    """A file in which results of an earlier run may stand."""

    def __init__(self, path: Path, source: str, stack: ExitStack) -> None:
        super().__init__()
        self._path = path
        files.check_output(path, source)
        try:
            self._file = stack.enter_context(path.open("a+b", buffering=0))  # unbuffered: each line is one write
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}") from error
        self._take_up()

    def _take_up(self) -> None:
        """Read the keys of the lines that are done, and cut off one that was written only in part."""
        whole = 0
        with self._path.open("rb") as done:
            for number, line in enumerate(done, 1):
                if not line.endswith(b"\n") and line[:9] == b'{"line": '[: len(line)]:
                    break
                value = _object(line)
                if value is None or value.get("line") != number or not isinstance(value.get("key"), str):
                    raise InputError(f"{self._path} is there and holds no results (line {number}): name another file")
                self.keys.append(value["key"])
                whole += len(line)
                self._tally(value)
        self._file.truncate(whole)

    def _mark(self, document: _Document) -> dict[str, str]:
        return {"key": document.key}

    def _put(self, data: bytes) -> None:
        try:
            while data:
                data = data[self._file.write(data) or 0 :]
        except OSError as error:
            raise RunError(f"{self._path} cannot be written: {error.strerror}; the same command goes on") from error


def _open_input(file: str, stack: ExitStack) -> Iterable[bytes]:
    if file == "-":
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(file).open("rb"))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error


def _count(file: str) -> int | None:
    """How many lines there are; a pipe does not tell."""
    path = Path(file)
    if not path.is_file():
        return None
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def _documents(source: Iterable[bytes], settings: Mapping[str, Any]) -> Iterator[_Document]:
    told = json.dumps(settings, sort_keys=True, default=str).encode()
    for number, line in enumerate(source, 1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        line = line.rstrip(b"\r\n")
        document = _Document(number, hashlib.sha256(told + b"\n" + line).hexdigest()[:16])
        try:
            _read(document, line.decode())
        except UnicodeDecodeError as error:
            document.error = f"the line is not UTF-8 text: byte {error.start + 1} is 0x{line[error.start]:02x}"
        yield document


def _read(document: _Document, line: str) -> None:
    if not line.lstrip().startswith("{"):
        document.text = line
    elif (value := _object(line)) is None:
        document.error = 'the line begins with { but is no JSON object: mend it, or write a text as {"text": …}'
        return
    elif isinstance(value.get("text"), str):
        document.text = value["text"].replace("\r\n", "\n")
        document.given = {"id": value["id"]} if "id" in value else {}
    else:
        document.error = 'the line is a JSON object without a "text"'
        return
    if "\0" in document.text:
        document.error = "the line is not text: it holds NUL characters"
    elif not document.text.strip():
        document.error = "the line is empty"


def _left(documents: Iterable[_Document], sink: _Sink) -> Iterator[_Document]:
    """The documents that an earlier run has not written; those that it has must be the same."""
    keys = iter(sink.keys)
    for document in documents:
        key = next(keys, None)
        if key is None:
            yield document
        elif key != document.key:
            raise InputError(
                f"line {document.number} of --output was made from another text, or with other options: "
                "name another file, or remove it"
            )
    if next(keys, None) is not None:
        raise InputError(f"--output has {len(sink.keys)} lines, more than the input: name another file, or remove it")


def _chunks(documents: Iterable[_Document]) -> Iterator[list[_Document]]:
    chunk: list[_Document] = []
    size = 0
    for document in documents:
        chunk.append(document)
        size += len(document.text)
        if len(chunk) >= AT_ONCE or size >= CHARACTERS_AT_ONCE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _object(line: str | bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
