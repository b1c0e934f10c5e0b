"""Lines of a stream in any Unicode encoding."""

import io

import pytest

from llmkit.errors import InputError
from llmkit.files.encodings import utf8_lines

LINES = '{"input": "Привет"}\n{"input": "é"}\n'


def lines(data: bytes) -> list[bytes]:
    return list(utf8_lines(io.BufferedReader(io.BytesIO(data)), "rows.jsonl"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_lines_are_utf_8_in_any_unicode_encoding(encoding: str) -> None:
    found = b"".join(lines(LINES.encode(encoding))).removeprefix(b"\xef\xbb\xbf")
    assert found == LINES.encode()


def test_lines_that_are_cut_raise_an_error() -> None:
    with pytest.raises(InputError, match=r"rows\.jsonl is UTF-16 text, but damaged or cut"):
        lines(LINES.encode("utf-16-le")[:-1])
