"""Bytes as text: UTF-8, UTF-16 and UTF-32; for other encodings, how to convert them."""

from __future__ import annotations

import codecs
import io
import os
import shlex
from collections.abc import Iterator

from w3lib.encoding import read_bom

from llmkit.errors import InputError
from llmkit.text.unmarked_encodings import find_unmarked_encoding

_GUESSED = 1 << 20  # bytes by which another encoding is guessed
_SHOWN = 60  # characters of a line that an error shows


def decode(data: bytes, name: str) -> str:
    r"""Return the text, without its byte order mark and with `\n` at line ends.

    UTF-16 and UTF-32 without a mark are read where nothing else is possible.

    Raises:
        InputError: it is in another encoding, with the command that converts it; or it is damaged, or no text.
    """
    mark, encoding = find_encoding(data)
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(_explain(data, error, name, encoding)) from error
    if "\0" in text:
        command = _command("iconv -f UTF-16LE -t UTF-8", name)
        raise InputError(f"{name} is not text: it has NUL bytes. If a part of it is UTF-16, convert it with: {command}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def utf8_lines(stream: io.BufferedReader, name: str) -> Iterator[bytes]:
    """Yield the lines of a stream in UTF-8, whatever Unicode encoding they are in."""
    mark, encoding = find_encoding(stream.peek(4))
    if encoding == "utf-8":
        yield from stream
        return
    stream.read(len(mark))
    text = io.TextIOWrapper(stream, encoding, newline="\n")
    try:
        for line in text:
            yield line.encode()
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is {_shown(encoding)} text, but damaged or cut: save it again, as UTF-8") from error
    finally:
        if not stream.closed:
            text.detach()  # else the stream would be closed with it, which is its owner's affair


def find_encoding(data: bytes) -> tuple[bytes, str]:
    """Return the byte order mark at the beginning of the data, or none, and the Unicode encoding; else UTF-8."""
    encoding, mark = read_bom(data)
    return (mark, encoding) if mark and encoding else (b"", find_unmarked_encoding(data) or "utf-8")


def _explain(data: bytes, error: UnicodeDecodeError, name: str, encoding: str) -> str:
    """Return what is wrong with bytes that cannot be decoded, and what to do."""
    if encoding != "utf-8":
        return f"{name} is {_shown(encoding)} text, but damaged or cut at byte {error.start}: save it again, as UTF-8"
    line = data.count(b"\n", 0, error.start) + 1
    place = f"byte {error.start}, in line {line}, is 0x{data[error.start]:02x}"
    if _is_nearly_utf8(data):
        if error.end == len(data) and error.reason == "unexpected end of data":
            return f"{name} ends in the middle of a character: it was cut, so get the whole file"
        command = _command("iconv -c -f UTF-8 -t UTF-8", name)
        return f"{name} is UTF-8 text, but {place}: correct that line, or leave out such bytes: {command}"
    from llmkit.web.charset import guess

    codec = guess(data[:_GUESSED])
    label = _iconv_name(codec)
    command = _command(f"iconv -f {label} -t UTF-8", name)
    shown = _line_at(data, error.start).decode(codec, errors="replace").strip()
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    return (
        f"{name} is not UTF-8 text: {place}. If that line should be “{shown}”, convert it with: {command} "
        f"(if not, put its own encoding in place of {label})"
    )


def _shown(encoding: str) -> str:
    return encoding.upper().removesuffix("-LE").removesuffix("-BE")


def _is_nearly_utf8(data: bytes) -> bool:
    """Return whether most bytes beyond ASCII belong to characters of UTF-8."""
    kept = data.decode(errors="ignore").encode()
    beyond = sum(byte > 127 for byte in kept)
    return beyond > 2 * (len(data) - len(kept))


def _iconv_name(codec: str) -> str:
    """Return what iconv calls a codec of Python."""
    name = codecs.lookup(codec).name.upper().replace("_", "-")
    return {"SHIFT-JIS": "SHIFT_JIS", "MAC-CYRILLIC": "MACCYRILLIC"}.get(name, name.replace("ISO8859-", "ISO-8859-"))


def _line_at(data: bytes, place: int) -> bytes:
    start = data.rfind(b"\n", 0, place) + 1
    end = data.find(b"\n", place)
    return data[start : end if end >= 0 else len(data)][: 4 * _SHOWN]


def _command(command: str, name: str) -> str:
    """Return the command line that converts a file, or what comes through a pipe."""
    if not os.path.isfile(name):
        return f"… | {command} | llmkit …"
    stem, ending = os.path.splitext(name)
    return f"{command} {shlex.quote(name)} > {shlex.quote(f'{stem}.utf8{ending}')}"
