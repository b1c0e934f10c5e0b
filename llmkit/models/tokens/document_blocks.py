"""The text of documents and files in content blocks, plain or encoded in base64."""

from __future__ import annotations

import base64
import binascii
import json
import mimetypes
import re
from collections.abc import Callable, Mapping
from typing import Any

_TEXT_SUBTYPES = (
    *("json", "xml", "yaml", "x-yaml", "x-ndjson", "jsonl", "toml", "sql", "graphql"),
    *("javascript", "x-javascript", "typescript", "x-python", "x-sh", "x-httpd-php", "x-tex"),
)
_TYPE_KEYS = ("mime_type", "media_type", "mimeType")
_DATA_KEYS = ("base64", "data", "file_data", "bytes", "blob")
_INNER_KEYS = ("document", "file", "source", "resource", "inline_data", "inlineData")
_PLACE_KEYS = ("url", "file_id", "file_uri", "fileUri", "id", "uri", "s3Location")


class RefusedBlock(ValueError):
    """Raised for a block without text; says what it is, and what to do."""


def read_document(block: Mapping[str, Any], read_blocks: Callable[[Any], str]) -> str:
    """Return the text of a document or file, after its title and what is said about it.

    Args:
        block: the block, in the form of LangChain, OpenAI, Anthropic, Bedrock, Gemini, Cohere or MCP.
        read_blocks: reads the content of a document that is made of blocks.
    """
    levels = [block]
    while inner := next((levels[-1][key] for key in _INNER_KEYS if isinstance(levels[-1].get(key), Mapping)), None):
        levels.append(inner)
    text = _plain_text(levels, read_blocks)
    data = next((levels[-1][key] for key in _DATA_KEYS if isinstance(levels[-1].get(key), str | bytes)), None)
    if text is None and data is not None:
        text = _decode(data, _media_type(levels))
    if not isinstance(text, str):
        where = next((key for key in _PLACE_KEYS if any(level.get(key) for level in levels)), "")
        found = f"by its {where}, and not its text" if where else "without text"
        raise RefusedBlock(f"a block of type {block.get('type', next(iter(block), ''))!r} {found}: {_ADVICE}")
    heading = [str(level[key]) for level in levels for key in ("title", "context") if level.get(key)]
    return "\n\n".join([*heading, text])


_ADVICE = "read it first, and give its text"


def _plain_text(levels: list[Mapping[str, Any]], read_blocks: Callable[[Any], str]) -> Any:
    """Return the text that is not encoded, if any."""
    outer, inner = levels[0], levels[-1]
    is_text = inner.get("type") == "text" or outer.get("source_type") == "text"
    if inner.get("content") is not None:
        return read_blocks(inner["content"])
    data = inner.get("data")
    if isinstance(data, Mapping):  # Cohere's documents
        return json.dumps(data, ensure_ascii=False)
    if data is not None and (is_text or (len(levels) > 1 and levels[-2].get("document") is inner)):
        return data
    text = inner.get("text", outer.get("text"))
    if text is None and is_text and not _is_address(inner.get("url")):
        return inner.get("url")  # where LangChain 1 looks for the text of a block of version 0.3
    return text


def _is_address(url: Any) -> bool:
    return isinstance(url, str) and bool(re.match(r"(?i)(https?|ftp|file|gs|s3|data):", url))


def _media_type(levels: list[Mapping[str, Any]]) -> str:
    """Return the media type that a block tells, or that belongs to the ending of its file."""
    for level in reversed(levels):
        if given := next((level[key] for key in _TYPE_KEYS if level.get(key)), None):
            return str(given)
    if levels[0].get("type") == "text-plain":
        return "text/plain"
    names = [f"x.{level['format']}" for level in levels if level.get("format")]
    names += [str(level["filename"]) for level in levels if level.get("filename")]
    return next((found for name in names if (found := mimetypes.guess_type(name)[0])), "")


def _is_text_type(media_type: str) -> bool:
    main, _, subtype = media_type.partition(";")[0].strip().lower().partition("/")
    return main == "text" or subtype in _TEXT_SUBTYPES or subtype.endswith(("+json", "+xml", "+yaml"))


def _decode(data: str | bytes, media_type: str) -> str:
    """Decode bytes, or base64, which may be a data URL, if it is text in UTF-8."""
    if isinstance(data, str) and data.startswith("data:"):
        head, _, data = data.partition(",")
        media_type = head.removeprefix("data:").partition(";")[0] or media_type
    if not _is_text_type(media_type) or media_type.startswith("image/"):
        raise RefusedBlock(f"a file of type {media_type or 'unknown'!r}: {_ADVICE}")
    try:
        return (data if isinstance(data, bytes) else base64.b64decode(data, validate=True)).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise RefusedBlock(f"a file of type {media_type!r} that is not UTF-8 in base64: give its text") from error
