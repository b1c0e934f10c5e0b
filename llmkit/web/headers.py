"""Header fields of a response as browsers read them: the type of a page, and how its body is compressed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from llmkit.errors import PageError, PageRefused
from llmkit.web.urls import printable

PDF = "is a PDF, which is not read from the web: download it, and give the file"
HTML, PLAIN = ("text/html", "application/xhtml+xml"), ("text/plain", "text/markdown", "text/x-markdown")
_XML = re.compile(r"(?:text|application)/xml|[^/]+/[^/]+\+xml")
_UNKNOWN = {"*/*", "unknown/unknown", "application/unknown"}
"""Types that say nothing: the body is looked at, as if there were none (MIME Sniffing standard)."""
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEMBERS = re.compile(r'(?:"(?:\\.|[^"\\])*(?:"|$)|[^,"])+')
_ESSENCE = re.compile(rf"\s*({_TOKEN}/{_TOKEN})(?=[\s;(]|$)")
_PARAMETER = re.compile(r"""(?<![\w-])([\w-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"?|'([^';]*)'|([^;\s]*))""")
_DECOMPRESSED = {"gzip", "x-gzip", "deflate"}
_NOT_DECOMPRESSED = {"br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip", "bzip2", "xz", "lzma"}


class ContentType(NamedTuple):
    """A media type such as `text/html`, and a charset; both are empty where the header names none."""

    media_type: str
    charset: str

    def __str__(self) -> str:
        return f"{self.media_type}; charset={self.charset}" if self.charset else self.media_type


def parse_content_type(header: str) -> ContentType:
    """Return the type that browsers take from a `Content-Type` header, which may be a list or several lines.

    The last member that is a type counts; it inherits the charset of an equal one before it. See "extract a MIME type"
    in https://fetch.spec.whatwg.org/#content-type-header. A charset without a type is kept, too.
    """
    media_type = charset = ""
    for member in _MEMBERS.findall(header):
        essence = _ESSENCE.match(member)
        parameters = _PARAMETER.finditer(member, essence.end() if essence else 0)
        found = next((each for each in parameters if each[1].lower() == "charset"), None)
        named = (found[2] or found[3] or found[4] or "").replace("\\", "").strip() if found else ""
        if essence is None:
            charset = charset or named
        elif essence[1] != "*/*":
            same = essence[1].lower() == media_type or not media_type
            media_type = essence[1].lower()
            charset = named or (charset if same else "")
    return ContentType("" if media_type in _UNKNOWN else media_type, charset)


def validate_media_type(media_type: str) -> None:
    """Check that a media type may be that of a page; an XML document may be XHTML.

    Raises:
        PageRefused: it is one that is not read.
    """
    if media_type == "application/pdf":
        raise PageRefused(PDF)
    if media_type and media_type not in (*HTML, *PLAIN) and not is_xml(media_type):
        raise PageRefused(f"is {printable(media_type)}: only HTML, XHTML and plain text are read")


def is_xml(media_type: str) -> bool:
    """Return whether a media type is that of XML, other than XHTML."""
    return media_type not in HTML and _XML.fullmatch(media_type) is not None


def content_codings(headers: Iterable[str]) -> list[str]:
    """Return the codings of a body that are undone, in the order in which they were applied.

    Servers name charsets, `none` and other words that are no coding; browsers take such a body as it is.

    Args:
        headers: the values of the `Content-Encoding` lines.

    Raises:
        PageError: a coding was applied that was not asked for.
    """
    members = (member.partition(";")[0].strip(" \t\"'").lower() for header in headers for member in header.split(","))
    codings = [member for member in members if member in _DECOMPRESSED | _NOT_DECOMPRESSED]
    if unknown := [coding for coding in codings if coding in _NOT_DECOMPRESSED]:
        raise PageError(f"is compressed with {unknown[0]}, which was not asked for: save it in a browser")
    return codings
