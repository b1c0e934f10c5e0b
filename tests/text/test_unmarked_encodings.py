"""UTF-16 and UTF-32 without a byte order mark, and what is neither."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.text.unmarked_encodings import find_unmarked_encoding

TEXTS = [
    "Hi",
    "1,2,3\n4,5,6\n",
    "Straße – „Übung“ € 5\r\n",
    "<!doctype html><p>渡轮</p>",
    "Привет",
    "Γειά σου Κόσμε",
    "Հայերեն",
    "שלום עולם",
    "مرحبا بالعالم، كيف الحال؟",
    "नमस्ते दुनिया। यह है",
    "ภาษาไทยง่ายนิดเดียว",
    "你好\n",
    "会议讨论了渡轮的时刻表，和票价。",
    "渡輪九點開，票價十二元。\n",
    "フェリーの時刻表と料金について話し合い、大人の料金を上げることにした。",
    "부산항에서 배가 떠납니다.",
    "Вот Latin и 漢字 вместе\n",
    "│ Ann │ 9:00 │\n",
    "😀 ok",
]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", TEXTS)
def test_text_in_both_orders_of_bytes_is_recognized(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    assert find_unmarked_encoding(data) == encoding
    if len(text) > 8:
        assert find_unmarked_encoding(data[:-1]) == encoding  # a text that is cut is text all the same


@pytest.mark.parametrize(
    "encoding", ["utf-8", "cp1252", "cp1251", "koi8_r", "gb18030", "big5", "shift_jis", "euc_kr", "iso2022_jp"]
)
@pytest.mark.parametrize("text", TEXTS)
def test_text_in_other_encodings_is_not(text: str, encoding: str) -> None:
    assert find_unmarked_encoding((text * 20).encode(encoding, "replace")) is None
    assert find_unmarked_encoding(f"{text}\f{text}".encode(encoding, "replace")) is None


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=3))
def test_any_ascii_text_is_recognized(text: str) -> None:
    assert find_unmarked_encoding(text.encode()) is None
    assert find_unmarked_encoding(text.encode("utf-16-le")) == "utf-16-le"
    assert find_unmarked_encoding(text.encode("utf-16-be")) == "utf-16-be"


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"a\0b", b"a\0b and more of it", b"\1\0\0\0\2\0\0\0", b"\0" * 64, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"],
)
def test_binary_data_is_not(data: bytes) -> None:
    assert find_unmarked_encoding(data) is None


def test_random_bytes_are_not() -> None:
    source = random.Random(7)
    assert not any(find_unmarked_encoding(source.randbytes(64)) for _ in range(200))
