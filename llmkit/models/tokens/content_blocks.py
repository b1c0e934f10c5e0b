"""The text of a message whose content is a list of blocks: read, refused, or left out with a note.

Blocks are those of LangChain's standard content (https://docs.langchain.com/oss/python/langchain/messages) and of the
message APIs that its integrations pass through: OpenAI, Anthropic, Bedrock, Gemini, Cohere and MCP.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmkit.errors import InputError
from llmkit.models.tokens.document_blocks import RefusedBlock, read_document
from llmkit.models.tokens.server_tool_blocks import SERVER_TOOL_BLOCKS, collect_text
from llmkit.text.words import with_article

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

_REASONING = {"reasoning", "thinking", "redacted_thinking", "reasoning_content"}
"""Earlier reasoning is not repeated: models are trained without it."""

_CALLS = {"tool_use", "tool_call", "tool_call_chunk", "invalid_tool_call", "input_json_delta", "function_call"}
"""Tool calls are read from `tool_calls` and `invalid_tool_calls`."""


def read_text(message: BaseMessage) -> str:
    """Return the text of a message: its string, or the text of each block.

    Text blocks are joined as they are; a document, a file, JSON or a result is a paragraph of its own.

    Raises:
        InputError: a block is an image or audio, refers to text that is elsewhere, or is of a type without text; in an
            answer of another model such a block is left out (see `left_out_blocks`).
    """
    if isinstance(message.content, str):
        return message.content
    text, ends_paragraph = "", False
    for block in message.content:
        try:
            part, is_paragraph = _read_block(block, message)
        except RefusedBlock as refused:
            sender = with_article(message.type)
            raise InputError(f"this model reads text only, but {sender} message has {refused}") from refused
        if part and text and (is_paragraph or ends_paragraph):
            text = f"{text.rstrip()}\n\n"
        text += part
        ends_paragraph = is_paragraph if part else ends_paragraph
    return text


def left_out_blocks(messages: Sequence[BaseMessage]) -> list[str]:
    """Return a sentence for each type of blocks that `read_text` leaves out of answers: reasoning, images, ids."""
    types: dict[str, None] = {}
    for message in messages:
        blocks = message.content if _is_answer(message) and not isinstance(message.content, str) else ()
        for given in blocks:
            block: Any = given
            block = block["value"] if _is_wrapped(block) else block
            block_type = _type_of(block) if isinstance(block, Mapping) else ""
            is_silent = block_type in ("", *_CALLS, *_PLAIN, "cachePoint")
            if not is_silent and not _read_block(block, message)[0].strip():
                types[block_type] = None
    return [f"blocks of type {name!r} in answers are left out" for name in types]


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
        _as_plain_text(block, message) if isinstance(block, dict) and _is_media(block) else block
        for block in message.content
    ]
    return message.model_copy(update={"content": content})


def _as_plain_text(block: dict[str, Any], message: BaseMessage) -> dict[str, Any]:
    text = _read_media(block, "file") if _is_answer(message) else _read_document(block)
    if not text and _is_answer(message):
        return {"type": "non_standard", "value": block}
    return {"type": "text-plain", "text": text, "mime_type": "text/plain"}


def _is_media(block: Any) -> bool:
    return isinstance(block, Mapping) and block.get("type") in ("file", "image", "audio", "input_audio")


def _read_block(block: Any, message: BaseMessage) -> tuple[str, bool]:
    """Return the text of a block, and whether it is a paragraph of its own."""
    if isinstance(block, str):
        return block, False
    if not isinstance(block, Mapping):
        raise RefusedBlock(f"a block that is {type(block).__name__}, no dictionary: give its text")
    if _is_wrapped(block):
        return _read_block(block["value"], message)
    block_type = _type_of(block)
    if block_type in _REASONING and _is_answer(message):
        return "", False
    if block_type in _CALLS:
        _check_call(block, block_type, message)
        return "", False
    if block_type in _PLAIN:
        return _string(block, _PLAIN[block_type], block_type), False
    if block_type in _READERS:
        return _read_media(block, block_type) if _is_answer(message) else _READERS[block_type](block), True
    text = collect_text(block) if block_type in SERVER_TOOL_BLOCKS or _is_answer(message) else ""
    if not text and not _is_answer(message):
        raise RefusedBlock(f"a block of type {block_type!r}: leave it out, or give its text")
    return text, True


def _read_media(block: Mapping[str, Any], block_type: str) -> str:
    """Read a block of an answer; what another model made and this one cannot read does not stop the conversation."""
    try:
        return _READERS[block_type](block)
    except RefusedBlock:
        return ""


def _is_answer(message: BaseMessage) -> bool:
    return message.type in ("ai", "AIMessageChunk")


def _is_wrapped(block: Any) -> bool:
    return (
        isinstance(block, Mapping) and block.get("type") == "non_standard" and isinstance(block.get("value"), Mapping)
    )


def _type_of(block: Mapping[str, Any]) -> str:
    """Return a block's type; Bedrock and Gemini name it by the key of the content."""
    if "type" in block:
        return str(block["type"])
    named = [key for key in ("text", "json", "document", "cachePoint", *_BY_KEY) if key in block]
    return _BY_KEY.get(named[0], named[0]) if named else f"unknown, with {', '.join(map(str, block)) or 'nothing'}"


_BY_KEY = {
    **{"toolUse": "tool_use", "toolResult": "tool_result", "reasoningContent": "reasoning_content"},
    **{"guardContent": "guardContent", "guard_content": "guardContent"},
    **{"inline_data": "inline_data", "inlineData": "inline_data"},
    **{"functionResponse": "functionResponse", "function_response": "functionResponse"},
    **{"functionCall": "function_call", "function_call": "function_call", "citationsContent": "citationsContent"},
    **{"executableCode": "executable_code", "executable_code": "executable_code"},
    **{"codeExecutionResult": "code_execution_result", "code_execution_result": "code_execution_result"},
}

_PLAIN = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""The key of the text, by type of a block that is running text."""


def _string(block: Mapping[str, Any], key: str, block_type: str) -> str:
    if isinstance(block.get(key), str):
        return str(block[key])
    raise RefusedBlock(f"a block of type {block_type!r} whose {key!r} is {block.get(key)!r}, no string")


def _check_call(block: Mapping[str, Any], block_type: str, message: BaseMessage) -> None:
    """Raise `RefusedBlock` if a call is in the content only, where no chat template looks for it."""
    calls = [*getattr(message, "tool_calls", ()), *getattr(message, "invalid_tool_calls", ())]
    inner = next((block[key] for key in ("toolUse", "functionCall", "function_call") if key in block), block)
    name = inner.get("name") if isinstance(inner, Mapping) else None
    if not any(name in (None, call["name"]) for call in calls):
        raise RefusedBlock(f"a block of type {block_type!r} that is not in its tool_calls: give tool_calls=")


def _read_document(block: Mapping[str, Any]) -> str:
    return read_document(block, _read_blocks)


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
        raise RefusedBlock("a block of type 'json' without a value: give it as 'json'")
    try:
        return json.dumps(block[key], ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise RefusedBlock(f"a block of type 'json' whose value is no JSON ({error})") from error


def _read_search_result(block: Mapping[str, Any]) -> str:
    heading = [str(block[key]) for key in ("title", "source") if block.get(key)]
    return "\n".join([*heading, _read_blocks(block.get("content", ""))])


def _read_result(block: Mapping[str, Any]) -> str:
    return _read_blocks(block.get("toolResult", block).get("content") or "")


def _read_guarded(block: Mapping[str, Any]) -> str:
    inner = block.get("guardContent") or block.get("guard_content")
    text = inner.get("text") if isinstance(inner, Mapping) else None
    return _string(text if isinstance(text, Mapping) else inner or {}, "text", "guardContent")


def _read_response(block: Mapping[str, Any]) -> str:
    inner = block.get("functionResponse") or block.get("function_response") or {}
    return _read_json({"json": inner["response"]} if isinstance(inner, Mapping) and "response" in inner else {})


_READERS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "text-plain": _read_document,
    "file": _read_document,
    "input_file": _read_document,
    "document": _read_document,
    "resource": _read_document,
    "media": _read_document,
    "inline_data": _read_document,
    "guardContent": _read_guarded,
    "functionResponse": _read_response,
    "search_result": _read_search_result,
    "tool_result": _read_result,
    "json": _read_json,
    "cachePoint": lambda _: "",  # marks a position, and has no text
}
"""How blocks that stand for themselves are read, by their type."""
