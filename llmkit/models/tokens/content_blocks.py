"""The text of a message whose content is a list of blocks: read, or refused, never skipped.

Blocks are those of LangChain's standard content (https://docs.langchain.com/oss/python/langchain/messages) and of the
message APIs that its integrations pass through: OpenAI, Anthropic, Bedrock and MCP.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmkit.errors import InputError

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

_REASONING = {"reasoning", "thinking", "redacted_thinking", "reasoning_content"}
"""Earlier reasoning is not repeated: models are trained without it."""

_CALLS = {"tool_use", "tool_call", "tool_call_chunk", "invalid_tool_call", "input_json_delta", "function_call"}
"""Tool calls are read from `tool_calls` and `invalid_tool_calls`."""

_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")


class _RefusedBlock(ValueError):
    """Raised for a block without text; says what it is, and what to do."""


def read_text(message: BaseMessage) -> str:
    """Return the text of a message: its string, or the text of each block.

    Text blocks are joined as they are; a document, a file, JSON or a result is a paragraph of its own.

    Raises:
        InputError: a block is an image or audio, refers to text that is elsewhere, or is of a type without text.
    """
    if isinstance(message.content, str):
        return message.content
    text, ends_paragraph = "", False
    for block in message.content:
        try:
            part, is_paragraph = _read_block(block, message)
        except _RefusedBlock as refused:
            raise InputError(f"this model reads text only, but a {message.type} message has {refused}") from refused
        if part and text and (is_paragraph or ends_paragraph):
            text = f"{text.rstrip()}\n\n"
        text += part
        ends_paragraph = is_paragraph if part else ends_paragraph
    return text


def with_plain_text_blocks(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Replace the files in messages by their text, before LangChain converts their blocks.

    LangChain fails on blocks of version 0.3 with a `KeyError` or `TypeError`, such as a file with its text
    (`langchain_core.messages.block_translators.langchain_v0`), and on an image without a media type. A message without
    such blocks is returned itself.

    Raises:
        InputError: as by `read_text`.
    """
    return [_with_plain_text_blocks(message) for message in messages]


def _with_plain_text_blocks(message: BaseMessage) -> BaseMessage:
    if isinstance(message.content, str) or not any(map(_is_media, message.content)):
        return message
    read_text(message)
    content: list[str | dict[str, Any]] = [
        {"type": "text-plain", "text": _read_document(block), "mime_type": "text/plain"}
        if isinstance(block, dict) and _is_media(block)
        else block
        for block in message.content
    ]
    return message.model_copy(update={"content": content})


def _is_media(block: Any) -> bool:
    return isinstance(block, Mapping) and block.get("type") in ("file", "image", "audio", "input_audio")


def _read_block(block: Any, message: BaseMessage) -> tuple[str, bool]:
    """Return the text of a block, and whether it is a paragraph of its own."""
    if isinstance(block, str):
        return block, False
    if not isinstance(block, Mapping):
        raise _RefusedBlock(f"a block that is {type(block).__name__}, no dictionary: give its text")
    block_type = _type_of(block)
    if block_type == "non_standard" and isinstance(block.get("value"), Mapping):
        return _read_block(block["value"], message)
    if block_type in _REASONING and message.type in ("ai", "AIMessageChunk"):
        return "", False
    if block_type in _CALLS:
        _check_call(block, block_type, message)
        return "", False
    if block_type in _PLAIN:
        return _string(block, _PLAIN[block_type], block_type), False
    if block_type not in _READERS:
        raise _RefusedBlock(f"a block of type {block_type!r}: leave it out, or give its text")
    return _READERS[block_type](block), True


def _type_of(block: Mapping[str, Any]) -> str:
    """Return a block's type; Bedrock and Gemini name it by the key of the content."""
    if "type" in block:
        return str(block["type"])
    named = [key for key in ("text", "json", "cachePoint", *_BY_KEY) if key in block]
    return _BY_KEY.get(named[0], named[0]) if named else f"unknown, with {', '.join(map(str, block)) or 'nothing'}"


_BY_KEY = {"toolUse": "tool_use", "toolResult": "tool_result", "reasoningContent": "reasoning_content"}

_PLAIN = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""The key of the text, by type of a block that is running text."""


def _string(block: Mapping[str, Any], key: str, block_type: str) -> str:
    if isinstance(block.get(key), str):
        return str(block[key])
    raise _RefusedBlock(f"a block of type {block_type!r} whose {key!r} is {block.get(key)!r}, no string")


def _check_call(block: Mapping[str, Any], block_type: str, message: BaseMessage) -> None:
    """Raise `_RefusedBlock` if a call is in the content only, where no chat template looks for it."""
    calls = [*getattr(message, "tool_calls", ()), *getattr(message, "invalid_tool_calls", ())]
    name = block.get("name") or block.get("toolUse", {}).get("name")
    if not any(name in (None, call["name"]) for call in calls):
        raise _RefusedBlock(f"a block of type {block_type!r} that is not in its tool_calls: give tool_calls=")


def _read_document(block: Mapping[str, Any]) -> str:
    """Read a file or document: its title, what is said about it, and its text, which may be encoded in base64."""
    inner: Any = block.get("file") if isinstance(block.get("file"), Mapping) else block.get("source")
    inner = inner if isinstance(inner, Mapping) else block
    media_type = str(next((of[key] for of in (inner, block) for key in ("mime_type", "media_type") if key in of), ""))
    is_text = inner.get("type") == "text" or block.get("source_type") == "text"
    content = inner.get("content")
    text = inner.get("data") if is_text and "data" in inner else inner.get("text", block.get("text"))
    if content is not None:
        text = _read_blocks(content)
    if text is None and is_text and not _is_address(inner.get("url")):
        text = inner.get("url")  # where LangChain 1 looks for the text of a block of version 0.3
    data = next((inner[key] for key in ("base64", "data", "file_data") if isinstance(inner.get(key), str)), None)
    if text is None and data is not None:
        text = _decode(data, media_type or _TYPE_OF_PLAIN.get(str(block.get("type")), ""))
    if not isinstance(text, str):
        where = next((key for key in ("url", "file_id", "file_uri", "id") if inner.get(key) or block.get(key)), "")
        found = f"by its {where}, and not its text" if where else "without text"
        raise _RefusedBlock(f"a block of type {block.get('type')!r} {found}: read it first, and give its text")
    heading = [str(block[key]) for key in ("title", "context") if block.get(key)]
    return "\n\n".join([*heading, text])


def _is_address(url: Any) -> bool:
    return isinstance(url, str) and bool(re.match(r"(?i)(https?|ftp|file|gs|s3|data):", url))


_TYPE_OF_PLAIN = {"text-plain": "text/plain"}


def _decode(data: str, media_type: str) -> str:
    """Decode base64, which may be a data URL, if it is text in UTF-8."""
    if data.startswith("data:"):
        head, _, data = data.partition(",")
        media_type = head.removeprefix("data:").partition(";")[0] or media_type
    if not media_type.startswith(_TEXT_TYPES):
        raise _RefusedBlock(f"a file of type {media_type or 'unknown'!r}: read it first, and give its text")
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _RefusedBlock(f"a file of type {media_type!r} that is not UTF-8 in base64: give its text") from error


def _read_blocks(content: Any) -> str:
    """Read the content of a block: a string, or blocks again."""
    if isinstance(content, str):
        return content
    from langchain_core.messages import HumanMessage

    parts = content if isinstance(content, list) else [content]
    return "\n\n".join(filter(None, (_read_block(part, HumanMessage(""))[0] for part in parts)))


def _read_json(block: Mapping[str, Any]) -> str:
    key = next((key for key in ("json", "data", "value") if key in block), None)
    if key is None:
        raise _RefusedBlock("a block of type 'json' without a value: give it as 'json'")
    try:
        return json.dumps(block[key], ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise _RefusedBlock(f"a block of type 'json' whose value is no JSON ({error})") from error


def _read_search_result(block: Mapping[str, Any]) -> str:
    heading = [str(block[key]) for key in ("title", "source") if block.get(key)]
    return "\n".join([*heading, _read_blocks(block.get("content", ""))])


def _read_result(block: Mapping[str, Any]) -> str:
    return _read_blocks(block.get("toolResult", block).get("content") or "")


def _read_resource(block: Mapping[str, Any]) -> str:
    return _read_document({"type": "resource", "source": block.get("resource", {})})


_READERS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "text-plain": _read_document,
    "file": _read_document,
    "input_file": _read_document,
    "document": _read_document,
    "resource": _read_resource,
    "search_result": _read_search_result,
    "tool_result": _read_result,
    "json": _read_json,
    "cachePoint": lambda _: "",  # marks a position, and has no text
}
"""How blocks that stand for themselves are read, by their type."""
