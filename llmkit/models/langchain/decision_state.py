"""What a decision is about, and its questions, as text: strings, messages, and structured state as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from llmkit.errors import InputError
from llmkit.models.tokens.content_blocks import read_text

_MEDIA = {"image", "image_url", "input_image", "audio", "input_audio", "video", "file", "box"}
_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}


def state_text(state: Any, what: str = "the state") -> str:
    """Return a state as text: a string as it is, messages as a transcript, other values as JSON.

    Raises:
        InputError: it is empty, has an image or other media, or a value that is no JSON; the error names `what`.
    """
    if isinstance(state, str):
        text = state
    elif isinstance(state, BaseMessage):
        text = _message_text(state, what)
    elif _is_sequence(state) and state and all(isinstance(item, BaseMessage) for item in state):
        text = "\n\n".join(_message_text(message, what) for message in state)
    else:
        text = json.dumps(_as_json(state, what), ensure_ascii=False, indent=1) if state else ""
    if not text.strip():
        raise InputError(f"{what} is empty: give text, messages, or a dictionary or a list with some")
    return text


def _message_text(message: BaseMessage, what: str) -> str:
    return f"{_ROLES.get(message.type, message.type)}: {_content(message, what)}"


def _content(message: BaseMessage, what: str) -> str:
    blocks = [] if isinstance(message.content, str) else message.content
    for block in blocks:
        if isinstance(block, Mapping):
            _refuse_media(block, what)
    calls = [{"name": call["name"], "args": call["args"]} for call in getattr(message, "tool_calls", [])]
    parts = [read_text(message), *(json.dumps(_as_json(call, what), ensure_ascii=False) for call in calls)]
    return "\n".join(part for part in parts if part)


def _as_json(value: Any, what: str) -> Any:
    if isinstance(value, BaseMessage):
        return {"role": _ROLES.get(value.type, value.type), "content": _content(value, what)}
    if isinstance(value, Mapping):
        _refuse_media(value, what)
        return {str(name): _as_json(item, what) for name, item in value.items()}
    if _is_sequence(value):
        return [_as_json(item, what) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise InputError(f"{what} has a value of type {type(value).__name__}, but must be text, messages or JSON")


def _refuse_media(block: Mapping[Any, Any], what: str) -> None:
    """Raise `InputError` for an image, a sound or a file: a block with such a type and something else."""
    if block.get("type") in _MEDIA and len(block) > 1:
        raise InputError(f"{what} has a block of type {block['type']!r}, but the model reads text only: leave it out")


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
