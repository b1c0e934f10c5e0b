"""E-mails that were saved as files (`.eml`, RFC 5322): their headers, their text, and what is attached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from pathlib import PurePath
from typing import TYPE_CHECKING

from llmkit.errors import InputError, PageError, PageRefused

if TYPE_CHECKING:
    from langchain_core.documents import Document

_SHOWN = ("Subject", "From", "To", "Cc", "Date")
_HEADER = rb"[!-9;-~]+[ \t]*:[^\n]*\n(?:[ \t]+[^\n]*\n)*"
_BEGINS = re.compile(rb"(?:From [^\n]*\n)?" + _HEADER)
_HEADERS = re.compile(rb"(?:From [^\n]*\n)?((?:" + _HEADER + rb")++)(?:\n|\Z)")
_SENDER = re.compile(rb"^from[ \t]*:", re.IGNORECASE | re.MULTILINE)
_TRANSPORT = re.compile(rb"^(?:message-id|received|return-path|delivered-to|mime-version)[ \t]*:", re.I | re.M)
_WEB_ARCHIVE = re.compile(rb"^(?:snapshot-content-location[ \t]*:|from[ \t]*:[ \t]*<saved by )", re.I | re.M)
_ENCRYPTED = ("application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted")
_SNIFFED = 1 << 16
_APPLE = re.compile(rb"(\d+)[ \t]*\n")
"""The first line of Apple Mail's `.emlx`: the bytes of the message, which a property list follows."""


def is_email(data: bytes, name: str) -> bool:
    """Return whether a file is an e-mail: by its ending and a first header, or by its headers alone.

    A web archive (MHTML) has headers of an e-mail too, and a note may begin with `From: Ann`.
    """
    head = data[:_SNIFFED].replace(b"\r\n", b"\n")
    if PurePath(name).suffix.lower() in (".eml", ".emlx"):
        return bool(_BEGINS.match(_APPLE.sub(b"", head, count=1) if _APPLE.match(head) else head))
    found = _HEADERS.match(head)
    if not found or PurePath(name).suffix.lower() in (".mhtml", ".mht") or _WEB_ARCHIVE.search(found[1]):
        return False
    return bool(_SENDER.search(found[1]) and _TRANSPORT.search(found[1]))


def read(data: bytes, name: str) -> Document:
    """Read an e-mail: subject, sender, recipients and date, then its text, then the names of what is attached.

    Raises:
        InputError: it is encrypted.
    """
    from langchain_core.documents import Document

    if apple := _APPLE.match(data):
        data = data[apple.end() : apple.end() + int(apple[1])]
    try:
        message = message_from_bytes(data, policy=policy.default)
        text = _text(message)
    except RecursionError as error:
        raise InputError(f"{name} is an e-mail with parts inside of parts without end, which is not read") from error
    if message.get_content_type() in _ENCRYPTED and message.get_param("smime-type") != "signed-data":
        raise InputError(f"{name} is an encrypted e-mail: open it in your mail program, and save its text")
    metadata = {"source": name}
    if subject := _header(message, "Subject"):
        metadata["title"] = subject
    return Document(text, metadata=metadata)


def _text(message: EmailMessage) -> str:
    headers = [f"{header}: {value}" for header in _SHOWN if (value := _header(message, header))]
    parts = list(_parts(message))
    bodies = [body.strip("\n") for body, _ in parts if body.strip()]
    attached = [label for _, label in parts if label]
    tail = [f"Attached: {', '.join(attached)}"] if attached else []
    return "\n\n".join([*(["\n".join(headers)] if headers else []), *bodies, *tail])


def _header(message: Message, name: str) -> str:
    """Return a header without its encoding (RFC 2047), or its raw text if it is malformed."""
    raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
    text = _decode(raw.encode("ascii", "surrogateescape"), "")  # UTF-8, as in RFC 6532
    try:
        decoded = str(policy.default.header_factory(name, " ".join(text.split())))
    except Exception:  # the parser of `email` raises errors of many types for malformed headers
        decoded = text
    return " ".join(decoded.split())


def _parts(message: Message) -> Iterator[tuple[str, str]]:
    """Yield each text of a message, and the label of each attachment."""
    media_type = message.get_content_type()
    children = [part for part in message.get_payload() if isinstance(part, Message)] if message.is_multipart() else []
    if media_type == "message/rfc822" and children:
        yield f"Forwarded message:\n\n{_text(children[0])}", ""  # type: ignore[arg-type]
    elif media_type == "multipart/alternative":
        yield from _best_alternative(children)
    elif children:
        for child in children:
            yield from _parts(child)
    elif message.get_content_disposition() == "attachment":
        yield "", _label(message, media_type)
    elif media_type in ("text/plain", "text/html"):
        yield _body(message, media_type), ""
    elif not (media_type.startswith("image/") and message["Content-ID"]):  # an image inside of the HTML
        yield "", _label(message, media_type)


def _best_alternative(children: list[Message]) -> Iterator[tuple[str, str]]:
    """Yield the plain form of a text, or else the richest one; what is attached inside of another form too."""
    forms = [list(_parts(child)) for child in children]
    with_text = [form for form in forms if any(body.strip() for body, _ in form)]
    plain = [form for form, child in zip(forms, children, strict=True) if child.get_content_type() == "text/plain"]
    chosen = next((form for form in plain if form in with_text), with_text[-1] if with_text else [])
    yield from chosen
    for form in forms:
        yield from (("", label) for _, label in form if label and form is not chosen)


def _body(message: Message, media_type: str) -> str:
    payload = message.get_payload(decode=True)
    data, charset = payload if isinstance(payload, bytes) else b"", message.get_content_charset() or ""
    if media_type == "text/plain":
        text = _decode(data, charset).replace("\r\n", "\n").replace("\r", "\n")
        return _unwrap(text, str(message.get_param("delsp"))) if message.get_param("format") == "flowed" else text
    from llmkit.web import read as read_page

    try:
        return read_page(data, "", f"{media_type}; charset={charset}" if charset else media_type).page_content
    except (PageError, PageRefused):  # it has no text
        return ""


def _decode(data: bytes, charset: str) -> str:
    """Decode a text as browsers do, which know what mail programs write under wrong names."""
    from llmkit.web import charset as charsets

    return charsets.decode(data, f"text/plain; charset={charset}" if charset else "text/plain")


def _unwrap(text: str, delete_space: str) -> str:
    """Join the lines that a mail program wrapped, which end with a space (RFC 3676)."""
    lines: list[str] = []
    flows, depth_before = False, 0
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        if flows and depth == depth_before and content != "-- ":
            start = lines[-1][:-1] if delete_space.lower() == "yes" else lines[-1]
            lines[-1] = start + content
        else:
            lines.append(f"{'>' * depth} {content}" if depth else content)
        flows, depth_before = content.endswith(" ") and content != "-- ", depth
    return "\n".join(lines)


def _label(message: Message, media_type: str) -> str:
    try:
        name = message.get_filename()
    except Exception:  # as for headers
        name = None
    return f"{' '.join(name.split())} ({media_type})" if name else media_type
