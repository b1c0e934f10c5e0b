"""Files that are no text, recognized by their first bytes, and how to make text of each."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from llmkit.errors import InputError
from llmkit.files import encodings
from llmkit.text.unmarked_encodings import TEXT_CONTROLS

HEAD = 4096
"""Bytes in which a format is recognized."""

_OFFICE = "save it as plain text in the program that made it, or with LibreOffice: soffice --headless --convert-to"
_SHEET = "save its sheets as CSV (.csv), or the first one with LibreOffice: soffice --headless --convert-to csv {name}"
_SLIDES = "export it as PDF, or save its outline as plain text"
_IMAGE = "recognize its text first, for example with tesseract {name} text"
_DATABASE = "export its tables as CSV (.csv), in Access or with mdb-export {name} TABLE > table.csv"
_SPEECH = "transcribe it first, for example with Whisper, and give the transcript (.vtt, .srt or .txt)"
_UNPACK = "unpack it first, and give the text files in it"
_MODEL = "it is a model's weights or data, which has no text; a model is given with --model"
_PROGRAM = "it has no text to read"


@dataclass(frozen=True)
class _Format:
    """A format that is not read: its first bytes at an offset, its name, and what to do."""

    start: bytes
    name: str
    advice: str
    offset: int = 0

    @property
    def is_weak(self) -> bool:
        """Whether a text in an old encoding may begin so too: "BMW", "MZ", "OTTO"."""
        return all(32 < byte < 127 for byte in self.start)

    def matches(self, head: bytes) -> bool:
        return head.startswith(self.start, self.offset)


_FORMATS = (
    _Format(b"\x1f\x8b", "compressed with gzip", "unpack it first, with gunzip -k {name}"),
    _Format(b"BZh", "compressed with bzip2", "unpack it first, with bunzip2 -k {name}"),
    _Format(b"\xfd7zXZ\0", "compressed with xz", "unpack it first, with unxz -k {name}"),
    _Format(b"\x28\xb5\x2f\xfd", "compressed with Zstandard", "unpack it first, with unzstd {name}"),
    _Format(b"\x04\x22\x4d\x18", "compressed with LZ4", "unpack it first, with unlz4 {name}"),
    _Format(b"\x1f\x9d", "compressed with compress", "unpack it first, with uncompress {name}"),
    _Format(b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    _Format(b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    _Format(b"ustar", "a tar archive", "unpack it first, with tar -xf {name}, and give the text files in it", 257),
    _Format(b"\x89PNG", "an image (PNG)", _IMAGE),
    _Format(b"\xff\xd8\xff", "an image (JPEG)", _IMAGE),
    _Format(b"GIF8", "an image (GIF)", _IMAGE),
    _Format(b"WEBP", "an image (WebP)", _IMAGE, 8),
    _Format(b"II*\0", "an image (TIFF)", _IMAGE),
    _Format(b"MM\0*", "an image (TIFF)", _IMAGE),
    _Format(b"BM", "an image (BMP)", _IMAGE),
    _Format(b"\0\0\x01\0", "an icon", _IMAGE),
    _Format(b"8BPS", "an image (Photoshop)", _IMAGE),
    _Format(b"ftyphei", "an image (HEIC)", _IMAGE, 4),
    _Format(b"ftypmif1", "an image (HEIC)", _IMAGE, 4),
    _Format(b"ftypavif", "an image (AVIF)", _IMAGE, 4),
    _Format(b"AT&TFORM", "a DjVu document", "extract its text, with djvutxt {name}"),
    _Format(b"ftypM4A", "audio (MPEG-4)", _SPEECH, 4),
    _Format(b"ftyp", "a video (MPEG-4)", _SPEECH, 4),
    _Format(b"ID3", "audio (MP3)", _SPEECH),
    _Format(b"\xff\xfb", "audio (MP3)", _SPEECH),
    _Format(b"\xff\xf3", "audio (MP3)", _SPEECH),
    _Format(b"\xff\xf2", "audio (MP3)", _SPEECH),
    _Format(b"\xff\xf1", "audio (AAC)", _SPEECH),
    _Format(b"WAVE", "audio (WAV)", _SPEECH, 8),
    _Format(b"AVI ", "a video (AVI)", _SPEECH, 8),
    _Format(b"fLaC", "audio (FLAC)", _SPEECH),
    _Format(b"OggS", "audio or video (Ogg)", _SPEECH),
    _Format(b"#!AMR", "audio (AMR)", _SPEECH),
    _Format(b"MThd", "music (MIDI)", _PROGRAM),
    _Format(b"\x1a\x45\xdf\xa3", "a video (Matroska or WebM)", _SPEECH),
    _Format(b"\0\0\x01\xba", "a video (MPEG)", _SPEECH),
    _Format(b"BOOKMOBI", "a Mobipocket book", "convert it to text, with calibre: ebook-convert {name} book.txt", 60),
    _Format(b"SQLite format 3\0", "an SQLite database", 'select its text first: sqlite3 {name} "SELECT …" > text.txt'),
    _Format(b"PAR1", "a Parquet table", "write its texts as lines first, as pandas does: to_json(…, lines=True)"),
    _Format(b"ARROW1", "an Arrow table", "write its texts as lines first, as pandas does: to_json(…, lines=True)"),
    _Format(b"\x89HDF\r\n\x1a\n", "HDF5 data", _MODEL),
    _Format(b"\x93NUMPY", "a NumPy array", _MODEL),
    _Format(b"GGUF", "a model (GGUF)", _MODEL),
    _Format(b'{"', "a model (safetensors)", _MODEL, 8),
    *(_Format(bytes([128, version]), "a Python pickle", _MODEL) for version in range(2, 6)),
    _Format(b"bplist00", "a property list or a web archive of Safari", "save the page as its source (HTML)"),
    _Format(b"\x7fELF", "a program", _PROGRAM),
    _Format(b"MZ", "a program for Windows", _PROGRAM),
    _Format(b"\xcf\xfa\xed\xfe", "a program for macOS", _PROGRAM),
    _Format(b"\xca\xfe\xba\xbe", "a compiled program", _PROGRAM),
    _Format(b"\0asm", "a program (WebAssembly)", _PROGRAM),
    _Format(b"\0\x01\0\0Standard Jet DB", "an Access database (MDB)", _DATABASE),
    _Format(b"\0\x01\0\0Standard ACE DB", "an Access database (ACCDB)", _DATABASE),
    _Format(b"\0\x01\0\0MSISAM Database", "a database of Microsoft Money", "export it as text or CSV (.csv)"),
    _Format(b"\0\x01\0\0\0", "a font", _PROGRAM),  # the number of its tables follows, which is below 256
    _Format(b"true\0", "a font", _PROGRAM),
    _Format(b"ttcf\0", "a font", _PROGRAM),
    _Format(b"OTTO", "a font", _PROGRAM),
    _Format(b"wOF", "a font", _PROGRAM),
)
_RICH_TEXT = _Format(b"{\\rtf", "rich text (RTF)", f"{_OFFICE} txt:Text {{name}}")
_POSTSCRIPT = _Format(b"%!PS", "PostScript", "extract its text, with ps2ascii {name} text.txt")

_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""The first bytes of a compound file, a small file system in which Office before 2007 and Outlook save ([MS-CFB])."""
_OFFICE_97 = (
    ("EncryptedPackage", "an encrypted Office file", "open it with its password, and save it as plain text or CSV"),
    ("WordDocument", "an old Word document (DOC)", f"{_OFFICE} txt:Text {{name}}"),
    ("Workbook", "an old Excel workbook (XLS)", _SHEET),
    ("Book", "an old Excel workbook (XLS)", _SHEET),
    ("PowerPoint Document", "an old PowerPoint presentation (PPT)", _SLIDES),
    ("__properties_version1.0", "a message of Outlook (MSG)", "save it as text (.txt) in Outlook"),
    ("VisioDocument", "an old Visio drawing (VSD)", "export it as PDF"),
)
_OFFICE_97_ENDINGS = {".doc": 1, ".dot": 1, ".xls": 2, ".xlt": 2, ".ppt": 4, ".pps": 4, ".msg": 5, ".vsd": 6}

_ZIP_MEMBERS = (
    ("word/", "a Word document (DOCX)", f"{_OFFICE} txt:Text {{name}}"),
    ("xl/", "an Excel workbook (XLSX)", _SHEET),
    ("ppt/", "a PowerPoint presentation (PPTX)", _SLIDES),
    ("Index/", "a document of Pages, Numbers or Keynote", "export it as plain text or PDF"),
    ("META-INF/MANIFEST.MF", "a Java archive", _PROGRAM),
)
_ZIP_TYPES = (
    ("epub", "an EPUB book", "convert it to text, with pandoc {name} -t plain -o book.txt"),
    ("opendocument.text", "an OpenDocument text (ODT)", f"{_OFFICE} txt:Text {{name}}"),
    ("opendocument.spreadsheet", "an OpenDocument spreadsheet (ODS)", _SHEET),
    ("opendocument.presentation", "an OpenDocument presentation (ODP)", _SLIDES),
)
_ZIP_ENDINGS = {".docx": 0, ".docm": 0, ".xlsx": 1, ".xlsm": 1, ".pptx": 2, ".pages": 3, ".numbers": 3, ".key": 3}
_ZIP_TYPE_ENDINGS = {".epub": 0, ".odt": 1, ".ods": 2, ".odp": 3}


def is_pdf(head: bytes) -> bool:
    """Return whether it is a PDF, which a few bytes that mean nothing may precede (ISO 32000-2, annex I)."""
    return head.lstrip().startswith(b"%PDF-") or (b"%PDF-" in head[:1024] and not _looks_like_text(head))


def refuse_known(head: bytes, name: str) -> None:
    """Raise `InputError` for a format that is recognized by its first bytes alone."""
    for known in (_RICH_TEXT, _POSTSCRIPT):
        if known.matches(head):
            raise _error(name, known.name, known.advice)
    if is_pdf(head) or _looks_like_text(head):
        return
    for known in _FORMATS:
        if known.matches(head) and (_has_controls(head) or not known.is_weak):
            raise _error(name, known.name, known.advice)
    if not head.startswith((b"PK", _COMPOUND)):
        _refuse_noise(head, name)


def refuse_binary(data: bytes, name: str) -> None:
    """Raise `InputError` for a ZIP or compound file, or for data that cannot be text in any encoding."""
    if data.startswith(_COMPOUND):
        raise _error(name, *_compound_format(data, name))
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        raise _error(name, *_zip_format(data, name))
    _refuse_noise(data[:HEAD], name)


def _refuse_noise(head: bytes, name: str) -> None:
    """Raise `InputError` for bytes of which many are control characters, or all are zero."""
    controls = sum(0 < byte < 32 and byte not in TEXT_CONTROLS for byte in head)
    is_blank = len(head) == HEAD and not head.strip(b"\0")
    if is_blank or (20 * controls > len(head) and encodings.find_encoding(head) == (b"", "utf-8")):
        raise InputError(f"{name} is not text, but data of a format that is not known here: save it as text")


def _error(name: str, format_name: str, advice: str) -> InputError:
    return InputError(f"{name} is {format_name}, which is not read: {advice.replace('{name}', name)}")


def _looks_like_text(head: bytes) -> bool:
    """Return whether the bytes are text with a byte order mark, or in UTF-8."""
    if encodings.find_encoding(head)[0]:
        return True
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.end < len(head) or len(head) < HEAD:  # else a character crosses the border
            return False
    return not _has_controls(head)


def _has_controls(head: bytes) -> bool:
    return any(byte < 32 and byte not in TEXT_CONTROLS for byte in head)


def _compound_format(data: bytes, name: str) -> tuple[str, str]:
    """Return the name and the advice for a compound file: by the streams in it, or else by its ending."""
    sector = 1 << min(int.from_bytes(data[30:32], "little"), 12)
    directory = data[(int.from_bytes(data[48:52], "little") + 1) * sector :][: 4 * max(sector, 512)]
    entries = [directory[start : start + 128] for start in range(0, len(directory), 128)]
    streams = {entry[: max(entry[64] - 2, 0)].decode("utf-16-le", "replace") for entry in entries if len(entry) == 128}
    for stream, *rest in _OFFICE_97:
        if stream in streams:
            return rest[0], rest[1]
    ending = f".{name.rpartition('.')[2].lower()}"
    if ending in _OFFICE_97_ENDINGS:
        return _OFFICE_97[_OFFICE_97_ENDINGS[ending]][1:]
    return "an old or encrypted Office file", f"{_OFFICE} txt:Text {{name}}, or csv for a workbook"


def _zip_format(data: bytes, name: str) -> tuple[str, str]:
    """Return the name and the advice for a ZIP file: by what is in it, or where it is damaged by its ending."""
    found = list(_zip_contents(data))
    for kind, *rest in _ZIP_TYPES:
        if any(kind in member for member in found):
            return rest[0], rest[1]
    for folder, *rest in _ZIP_MEMBERS:
        if any(member.startswith(folder) for member in found):
            return rest[0], rest[1]
    if any(member.endswith("data.pkl") for member in found):
        return "a model (PyTorch)", _MODEL
    ending = f".{name.rpartition('.')[2].lower()}"
    if ending in _ZIP_ENDINGS:
        return _ZIP_MEMBERS[_ZIP_ENDINGS[ending]][1:]
    if ending in _ZIP_TYPE_ENDINGS:
        return _ZIP_TYPES[_ZIP_TYPE_ENDINGS[ending]][1:]
    return "a ZIP archive", _UNPACK


def _zip_contents(data: bytes) -> Iterator[str]:
    """Yield the names of the members, and the media type that EPUB and OpenDocument files say first."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from archive.namelist()
            if "mimetype" in archive.namelist():
                yield archive.read("mimetype")[:100].decode(errors="replace")
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError):
        return
