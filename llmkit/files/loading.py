"""From a file to Documents."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, BinaryIO

from llmkit.errors import InputError
from llmkit.files import emails, encodings, formats, pdf, subtitles, web_pages
from llmkit.pipes import open_input

if TYPE_CHECKING:
    from langchain_core.documents import Document

MAX_BYTES = 256 << 20
"""Of a file or of a pipe, which may be endless: its text is then several times as large in memory."""


def load(path: str | os.PathLike[str]) -> list[Document]:
    r"""Read a file into Documents: one, or for a PDF one for each page with text.

    Plain text is UTF-8, UTF-16 or UTF-32; line ends become `\n`. Saved web pages (`.html`,
    `.mhtml`, or what begins as HTML) are read as `llmkit.web.read` reads them, subtitles (`.vtt`, `.srt`) as a
    conversation, e-mails (`.eml`) as their headers and text, and PDFs with pypdf
    (`python -m pip install "llmkit[pdf]"`).

    Offsets in results of chains refer to `page_content`, which for these formats is not the file's own text.

    Args:
        path: the file.

    Returns:
        Documents whose metadata have the `source`, which is the path. Web pages have a `title` and a `language` too,
        e-mails a `title`; pages of a PDF have what LangChain's `PyPDFLoader` gives them: `page` (from 0), `page_label`
        (the number that is printed on it) and `total_pages`.

    Raises:
        InputError: the file cannot be read, is empty or too large, is a folder, or is of a format that is not read.
    """
    name = os.fspath(path)
    try:
        with open_input(name) as file:
            _check_size(os.fstat(file.fileno()).st_size, name)  # before any of it is read; a pipe has the size 0
            return read(file, name)
    except IsADirectoryError as error:
        raise InputError(f"{name} is a folder: name a file in it") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name!r} is not the name of a file: {error}") from error


def read(file: BinaryIO | bytes, name: str) -> list[Document]:
    """Read what an open binary file, or bytes, contain into Documents, as `load` does.

    Args:
        file: is read to its end; a buffered one, as `open` returns.
        name: the source in the metadata and in errors; its ending may say which format it is.

    Raises:
        InputError: it is empty, too large, or of a format that is not read.
    """
    from langchain_core.documents import Document

    stream = io.BytesIO(file) if isinstance(file, bytes) else file
    head = stream.read(formats.HEAD)
    formats.refuse_known(head, name)  # without reading a whole film
    rest = stream.read(MAX_BYTES) if len(head) == formats.HEAD else b""  # a terminal would ask for its end twice
    data = head + rest
    _check_size(len(data), name)
    if formats.is_pdf(head):
        return pdf.read(data, name)
    if emails.is_email(data, name):
        return [emails.read(data, name)]
    if (kind := web_pages.media_type(data, name)) is not None:
        return [web_pages.read(data, name, kind)]
    formats.refuse_binary(data, name)
    text = encodings.decode(data, name)
    if not text.strip():
        raise InputError(f"{name} is empty")
    return [Document(subtitles.to_dialogue(text, name) or text, metadata={"source": name})]


def _check_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise InputError(f"{name} has more than {MAX_BYTES >> 20} MiB: divide it, or give the part that matters")
