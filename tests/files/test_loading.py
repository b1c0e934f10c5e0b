"""Files as Documents: which reader a file is given to, and what errors say."""

import gzip
import io
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.errors import InputError
from llmkit.files import load, read

TEXT = "The match ended 3 to 2.\n"


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """Save bytes under a name in a folder, which is the current one."""
    monkeypatch.chdir(tmp_path)

    def save(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return name

    return save


def loaded(name: str) -> str:
    (document,) = load(name)
    assert document.metadata["source"] == name
    return document.page_content


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"], ids=lambda name: name
)
def test_unicode_text_is_read(saved, encoding):
    assert loaded(saved("notes.txt", TEXT.encode(encoding))) == TEXT


@pytest.mark.parametrize("mark", ["utf-16-be", "utf-32-be"])
def test_big_endian_text_with_a_byte_order_mark_is_read(saved, mark):
    assert loaded(saved("notes.txt", f"\ufeff{TEXT}渡轮".encode(mark))) == f"{TEXT}渡轮"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["Привет", "会议讨论了渡轮的时刻表，和票价。\n", "שלום עולם"])
def test_text_in_other_scripts_without_a_byte_order_mark_is_read(saved, text, encoding):
    assert loaded(saved("notes.txt", text.encode(encoding))) == text


def test_subtitles_in_utf_16_without_a_byte_order_mark_are_read(saved):
    subtitles = "1\n00:00:01,000 --> 00:00:02,000\nПаром ушёл.\n"
    assert loaded(saved("film.srt", subtitles.encode("utf-16-le"))) == "Паром ушёл."


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(str.strip))
def test_any_text_is_read_equally_from_each_encoding(text):
    text = f"x{text}"  # a mark of the text itself would be taken for the file's
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        assert read(text.encode(encoding), "notes.md")[0].page_content == text


def test_line_endings_are_normalized(saved):
    assert loaded(saved("notes.txt", b"one\r\ntwo\rthree\n")) == "one\ntwo\nthree\n"


def test_a_path_object_is_accepted(saved, tmp_path):
    saved("notes.txt", TEXT.encode())
    assert load(tmp_path / "notes.txt")[0].metadata == {"source": str(tmp_path / "notes.txt")}


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.txt", b" \n", "empty.txt is empty"),
        ("bom.txt", b"\xff\xfe", "bom.txt is empty"),
        ("cut16.txt", TEXT.encode("utf-16")[:-1], "UTF-16 text, but damaged or cut"),
        ("cut16le.txt", TEXT.encode("utf-16-le")[:-1], "UTF-16 text, but damaged or cut"),
        ("cut8.txt", "Café, résumé".encode()[:-1], "in the middle of a character"),
        (
            "one.txt",
            "Café, résumé, \udce9tude\n".encode(errors="surrogateescape"),
            "iconv -c -f UTF-8 -t UTF-8 one.txt",
        ),
        ("nul.txt", b"a\0b and more of it", "iconv -f UTF-16LE -t UTF-8 nul.txt > nul.utf8.txt"),
        ("zeros.dat", b"\0" * 5000, "data of a format that is not known"),
        ("noise.dat", bytes(range(1, 255)), "data of a format that is not known"),
    ],
)
def test_a_file_that_is_not_text_raises_a_clear_error(saved, name, data, says):
    with pytest.raises(InputError, match=name) as caught:
        load(saved(name, data))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "encoding", "iconv"),
    [
        ("The café is open. Ann comes at nine.", "latin-1", "CP1252"),
        ("A ticket costs £12 – dogs don’t pay.", "cp1252", "CP1252"),
        ("Паром отправляется в девять часов, билет стоит двенадцать крон.", "cp1251", "CP1251"),
        ("会议讨论了渡轮的时刻表和票价", "gb18030", "GB18030"),
        ("Лифт чинят в четверг, паром уходит в девять.", "koi8_r", "KOI8-U"),
        ("フェリーの時刻表と料金について話し合い、大人の料金を上げることにした。", "shift_jis", "CP932"),
    ],
)
def test_other_encodings_raise_an_error_with_a_conversion_command(saved, text, encoding, iconv):
    with pytest.raises(InputError) as caught:
        load(saved("my notes.txt", f"First line.\n{text}\n".encode(encoding)))
    message = str(caught.value)
    assert f"iconv -f {iconv} -t UTF-8 'my notes.txt' > 'my notes.utf8.txt'" in message
    assert "in line 2" in message
    assert f"“{text[:60]}" in message


def zipped(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return out.getvalue()


def compound_file(stream: str) -> bytes:
    """Return a compound file ([MS-CFB]) with one stream, whose directory is behind the first 4096 bytes."""
    header = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\0"))
    header[30:32], header[48:52] = (9).to_bytes(2, "little"), (20).to_bytes(4, "little")
    directory = bytearray(512)
    for start, name in ((0, "Root Entry"), (128, stream)):
        written = f"{name}\0".encode("utf-16-le")
        directory[start : start + len(written)] = written
        directory[start + 64] = len(written)
    return bytes(header) + b"\1" * 512 * 20 + bytes(directory)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("letter.docx", b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00", "a Word document (DOCX)"),
        ("letter", zipped(word__document="x"), "soffice --headless --convert-to txt:Text letter"),
        ("sums", zipped(xl__workbook="x"), "CSV"),
        ("talk", zipped(ppt__slides="x"), "PowerPoint"),
        ("book", zipped(mimetype="application/epub+zip"), "an EPUB book"),
        ("open", zipped(mimetype="application/vnd.oasis.opendocument.text"), "an OpenDocument text"),
        ("some.zip", zipped(a="x"), "a ZIP archive"),
        ("notes.txt.gz", gzip.compress(TEXT.encode(), mtime=0), "gunzip -k notes.txt.gz"),
        ("x.xz", b"\xfd7zXZ\0\0\4", "xz"),
        ("x.zst", b"\x28\xb5\x2f\xfd\x04\x00", "Zstandard"),
        ("x.jpg", b"\xff\xd8\xff\xe0", "an image (JPEG)"),
        ("x.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "tesseract x.png"),
        ("x.mp3", b"ID3\x04\0\0\0\0\0", "transcribe"),
        ("x.mp4", b"\0\0\0\x18ftypmp42", "a video"),
        ("x.rtf", rb"{\rtf1\ansi Hello}", "rich text"),
        ("x.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "--convert-to txt:Text x.doc"),
        ("x.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "--convert-to csv x.xls"),
        ("sums", compound_file("Workbook"), "--convert-to csv sums"),
        ("letter.tmp", compound_file("WordDocument"), "--convert-to txt:Text letter.tmp"),
        ("talk", compound_file("PowerPoint Document"), "export it as PDF"),
        ("mail", compound_file("__properties_version1.0"), "Outlook"),
        ("sums.xlsx", compound_file("EncryptedPackage"), "password"),
        ("x.mdb", b"\0\x01\0\0Standard Jet DB\0\x01", "an Access database"),
        ("x.accdb", b"\0\x01\0\0Standard ACE DB\0\x02", "an Access database"),
        ("x.ttf", b"\0\x01\0\0\0\x10\x01\0\0\x04\0\0", "a font"),
        ("x.db", b"SQLite format 3\0\x10\0", "sqlite3 x.db"),
        ("prog", b"\x7fELF\x02\x01\x01\0", "a program"),
        ("x.pkl", b"\x80\x04\x95\x0b\0\0", "pickle"),
        ("x.safetensors", b'\x10\0\0\0\0\0\0\0{"__metadata__"', "safetensors"),
        ("x.gguf", b"GGUF\x03\0\0\0", "--model"),
    ],
)
def test_other_formats_raise_an_error_that_says_what_to_do(saved, name, data, says):
    with pytest.raises(InputError) as caught:
        load(saved(name, data))
    message = str(caught.value)
    assert message.startswith(f"{name} is ")
    assert "which is not read: " in message
    assert says in message


@pytest.mark.parametrize(
    "text", ["BMW makes cars.", "ID3 tags tell the title.", "PK is a key.", "MZ", "%PDF is a mark"]
)
def test_text_that_starts_like_another_format_is_text(saved, text):
    assert loaded(saved("notes.txt", f"{text} Ü".encode())) == f"{text} Ü"


def test_latin_1_that_starts_like_a_font_is_text_in_another_encoding(saved):
    with pytest.raises(InputError, match="iconv -f CP1252"):
        load(saved("notes.txt", "OTTO MÜLLER fährt nach Köln.".encode("latin-1")))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs devices")
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_a_device_without_an_end_is_refused(device):
    with pytest.raises(InputError, match="is not text"):
        load(device)


def test_a_file_that_cannot_be_opened_raises_a_clear_error(saved, tmp_path):
    with pytest.raises(InputError, match="is a folder: name a file in it"):
        load(tmp_path)
    with pytest.raises(InputError, match=r"none\.txt cannot be read: No such file"):
        load("none.txt")
    with pytest.raises(InputError, match="is not the name of a file"):
        load("a\0b")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "notes.txt"
    with path.open("wb") as file:
        file.write(TEXT.encode() * 1000)
        file.truncate(2**40)  # takes no space on the disk
    with pytest.raises(InputError, match=r"notes\.txt has more than 256 MiB: divide it"):
        load(path)


def test_a_stream_without_an_end_is_refused(monkeypatch):
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            buffer[:] = (TEXT.encode() * (len(buffer) // len(TEXT) + 1))[: len(buffer)]
            return len(buffer)

    monkeypatch.setattr("llmkit.files.loading.MAX_BYTES", 1 << 20)
    with pytest.raises(InputError, match="standard input has more than 1 MiB"):
        read(io.BufferedReader(Endless()), "standard input")


def test_a_pipe_is_read_to_its_end():
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write(TEXT.encode() * 1000)
    try:
        [document] = load(f"/dev/fd/{reading}")
    finally:
        os.close(reading)
    assert document.page_content == TEXT * 1000
