"""Bytes as text: UTF-8, and UTF-16 and UTF-32 with a byte order mark; for other encodings, how to convert them."""

from __future__ import annotations

import codecs
import io
import os
import shlex
import unicodedata
from collections.abc import Iterator

from w3lib.encoding import read_bom

from llmkit.errors import InputError

_SAMPLE = 1 << 16  # bytes in which UTF-16 is recognized
_GUESSED = 1 << 20  # bytes by which another encoding is guessed
_SHOWN = 60  # characters of a line that an error shows
_CONTROLS = frozenset(map(chr, (*range(9), *range(14, 27), *range(28, 32), 127)))


def decode(data: bytes, name: str) -> str:
    r"""Return the text, without its byte order mark and with `\n` at line ends.

    Text in UTF-16 without a mark is read where nothing else is possible: all of it is plain text, most of it ASCII.

    Raises:
        InputError: it is in another encoding, with the command that converts it; or it is damaged, or no text.
    """
    mark, encoding = marked_encoding(data) or (b"", "utf-8")
    if not mark and b"\0" in data[:_SAMPLE]:
        encoding = _unmarked_utf16(data) or "utf-8"
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(_explain(data, error, name, encoding)) from error
    if "\0" in text:
        hint = "text in UTF-16 without a byte order mark has them, and iconv -f UTF-16LE -t UTF-8 converts that"
        raise InputError(f"{name} is not text: it has NUL bytes ({hint})")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def utf8_lines(stream: io.BufferedReader, name: str) -> Iterator[bytes]:
    """Yield the lines of a stream in UTF-8, whatever its byte order mark says that they are in."""
    mark, encoding = marked_encoding(stream.peek(4)[:4]) or (b"", "utf-8")
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


def marked_encoding(data: bytes) -> tuple[bytes, str] | None:
    """Return the byte order mark at the beginning of the data, and the encoding that it stands for."""
    encoding, mark = read_bom(data)
    return (mark, encoding) if mark and encoding else None


def _unmarked_utf16(data: bytes) -> str | None:
    """Return the encoding of what can only be UTF-16: it decodes to plain text, most of which is ASCII."""
    for encoding, zeros in (("utf-16-le", data[1:_SAMPLE:2]), ("utf-16-be", data[0:_SAMPLE:2])):
        if zeros.count(0) * 2 > len(zeros):
            try:
                text = data.decode(encoding)
            except UnicodeDecodeError:
                continue
            if _CONTROLS.isdisjoint(text) and not any(unicodedata.category(char) == "Cn" for char in text):
                return encoding
    return None


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
