"""PDFs as Documents, one for each page with text, through pypdf."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmkit.errors import InputError
from llmkit.quiet import silence_loggers

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from pypdf import PdfReader

logger = logging.getLogger(__name__)

FULL_LINE = 0.8  # of the longest line's characters: a line that long continues on the next one
MIN_WIDTH = 40  # characters of the longest line: shorter ones are a table's or a list's

_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\0": "", "\xa0": " "}
)
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u2010\u00ad]$")
_CONTINUES = re.compile(r"[^\W\d_A-Z]$|,$")
_LIST_ITEM = re.compile(r"[•▪◦●*–-]\s|\(?\w{1,3}[.)]\s")


def read(data: bytes, name: str) -> list[Document]:
    """Read the pages of a PDF that have text; pages of which only images are seen are a warning.

    Raises:
        InputError: pypdf is missing; or the PDF is encrypted, damaged or without text.
    """
    from langchain_core.documents import Document

    reader = _open(data, name)
    texts = _texts(reader, name)
    if not any(texts):
        raise InputError(
            f"{name} is a PDF without text: its pages are images, as from a scanner; recognize their text first, for "
            f"example with ocrmypdf"
        )
    images = [str(number) for number, text in enumerate(texts, 1) if not text and _has_image(reader, number - 1)]
    if images:
        logger.warning(
            f"{name}: {len(images)} of {len(texts)} pages are images without text and are not read: {', '.join(images)}"
        )
    title, labels = _title(reader), _labels(reader, len(texts))
    shared = {"source": name, "title": title, "total_pages": len(texts)}
    return [
        Document(text, metadata={**shared, "page": index, "page_label": labels[index]})
        for index, text in enumerate(texts)
        if text
    ]


def _open(data: bytes, name: str) -> PdfReader:
    try:
        from pypdf import PdfReader
        from pypdf.errors import DependencyError
    except ImportError as error:
        raise InputError(f'{name} is a PDF, which pypdf reads: python -m pip install "llmkit[pdf]"') from error
    silence_loggers("pypdf")
    try:
        reader = PdfReader(io.BytesIO(data))
        locked = reader.is_encrypted and not reader.decrypt("")
    except DependencyError as error:
        raise InputError(
            f'{name} is an encrypted PDF, for which pypdf needs more: python -m pip install "llmkit[pdf]"'
        ) from error
    except Exception as error:  # pypdf raises whatever a damaged file leads to
        raise _damaged(name, error) from error
    if locked:
        raise InputError(
            f"{name} is a PDF with a password: save it without one, for example with "
            f"qpdf --decrypt --password=… {name} open.pdf"
        )
    return reader


def _texts(reader: PdfReader, name: str) -> list[str]:
    try:
        return [to_lines(page.extract_text()) for page in reader.pages]
    except Exception as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:100] or type(error).__name__
    return InputError(f"{name} is a damaged PDF, or was cut ({reason}): get the whole file, or print it to a new PDF")


def to_lines(text: str) -> str:
    """Return the text of a page with the lines of a paragraph joined, and words that were divided at a line's end.

    A sentence would otherwise end where a line does. Lines of lists and tables stay as they are.
    """
    text = text.encode(errors="replace").decode().translate(_LIGATURES)  # a lone surrogate is no text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    width = max(map(len, lines), default=0)
    joined: list[str] = []
    last = ""
    for line in lines:
        if joined and last and line and _HYPHEN.search(last) and line[0].islower():
            joined[-1] = joined[-1][:-1] + line
        elif joined and _goes_on(last, line, width):
            joined[-1] = f"{joined[-1]} {line}"
        else:
            joined.append(line)
        last = line
    return re.sub(r"\n{3,}", "\n\n", "\n".join(joined)).strip()


def _goes_on(line: str, following: str, width: int) -> bool:
    if not line or not following or _LIST_ITEM.match(following):
        return False
    is_full = width >= MIN_WIDTH and len(line) >= FULL_LINE * width
    return following[0].islower() or (is_full and bool(_CONTINUES.search(line)))


def _has_image(reader: PdfReader, index: int) -> bool:
    try:
        resources: Any = reader.pages[index].get("/Resources", {}).get_object()
        objects: Any = resources.get("/XObject", {}).get_object()
        return any(shown.get_object().get("/Subtype") == "/Image" for shown in objects.values())
    except Exception:  # a damaged image is none that could be recognized
        return False


def _title(reader: PdfReader) -> str:
    try:
        return str((reader.metadata and reader.metadata.title) or "").strip()
    except Exception:
        return ""


def _labels(reader: PdfReader, count: int) -> Sequence[str]:
    """Return the numbers that are printed on the pages, or else their numbers from 1."""
    try:
        labels = list(reader.page_labels)
    except Exception:
        labels = []
    return labels if len(labels) == count else [str(number) for number in range(1, count + 1)]
