"""Messages and text to token ids, exactly as the model expects them, with special tokens in texts escaped.

Only a chat template's own markup becomes special tokens. The name of a special token inside a message (`<|im_end|>`,
`</s>`) is encoded as the plain characters that it is written with, so that no message or web page can open a turn or
end the prompt. Text without such names is tokenized exactly as `apply_chat_template` does.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from llmkit.errors import InputError, PromptError
from llmkit.models.tokens.special_tokens import SpecialTokenEscaper, is_special, unused_characters

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from tokenizers import Encoding
    from transformers import PreTrainedTokenizerBase

Layout = Literal["chat", "completion", "flan"]
"""How a conversation is rendered: by the chat template, as plain text, or as plain text for an encoder."""

_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}

_SKIPPED_BLOCKS = {"reasoning", "thinking", "tool_use", "tool_call", "input_json_delta", "redacted_thinking"}
"""Content blocks without text for the model: tool calls are in `tool_calls`, earlier reasoning is not repeated."""

_NO_MESSAGES = "the message list is empty: give at least one message"


class PromptEncoder:
    """Turns messages or plain text into the token ids that the model receives."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, is_encoder_decoder: bool) -> None:
        self.tokenizer = tokenizer
        self._escaper = SpecialTokenEscaper(tokenizer)
        self._is_encoder_decoder = is_encoder_decoder
        self.layout: Layout = "chat" if tokenizer.chat_template else "flan" if is_encoder_decoder else "completion"

    def encode_text(self, text: str, *, special: bool = True) -> list[int]:
        """Encode plain text, with the tokenizer's own start and end tokens unless `special` is false."""
        return list(self._encoding(text, special=special).ids)

    def encode_continuation(self, text: str) -> list[int]:
        """Encode text that continues other text: without a start token, and without a space put before it.

        The decoder of an encoder-decoder model begins its own text, so that its first space may be added.
        """
        return list(self._encoding(text, continues=not self._is_encoder_decoder).ids)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the range of characters `[start, end)` of each token of a text."""
        return list(self._encoding(text).offsets)

    def _encoding(self, text: str, *, special: bool = False, continues: bool = False) -> Encoding:
        backend = self._escaper.tokenizer_for(_validate_text(text), continues=continues)
        return backend.encode(text, add_special_tokens=special)

    def encode_messages(self, messages: Sequence[BaseMessage], **template: Any) -> list[int]:
        """Encode a conversation up to the beginning of the answer.

        If the last message is the assistant's, it is left open, and the answer continues it. Keyword arguments are
        further variables of the chat template, such as `tools`.

        Raises:
            InputError: there are no messages, or one has an image or audio.
            PromptError: the model's chat template refuses these messages, or a text cannot be encoded as UTF-8.
        """
        if self.layout != "chat":
            return self.encode_text(messages_to_text(messages))
        turns: Any = [message_to_dict(message) for message in messages]
        text = _validate_text(_join_strings([turns, template]))
        if not self._escaper.has_special(text):
            return list(self._escaper.backend.encode(self._render(turns, **template), add_special_tokens=False).ids)
        delimiter, prefix = itertools.islice(unused_characters(text), 2)
        turns, template = _map_strings([turns, template], lambda part: self._escaper.replace_names(part, delimiter))
        marked = self._escaper.prefix_names(self._render(turns, **template), prefix)
        restored = self._escaper.restore_names(marked, delimiter)
        return list(self._escaper.variant(prefix).encode(restored, add_special_tokens=False).ids)

    def render(self, messages: Sequence[BaseMessage], **template: Any) -> str:
        """Render a conversation as the text that is encoded, with its markup."""
        if self.layout != "chat":
            return messages_to_text(messages)
        return self._render([message_to_dict(message) for message in messages], **template)

    @cached_property
    def special_token_ids(self) -> dict[str, int]:
        """The ids of special tokens by name, such as Qwen's `<tool_call>`."""
        added = self.tokenizer.added_tokens_decoder.items()
        return {token.content: index for index, token in added if is_special(token)}

    @cached_property
    def template_accepts_tools(self) -> bool:
        """Whether the chat template renders tools."""
        return bool(re.search(r"\btools\b", str(self.tokenizer.chat_template or "")))

    def _render(self, turns: list[dict[str, Any]], **template: Any) -> str:
        from jinja2 import TemplateError

        if not turns:
            raise InputError(_NO_MESSAGES)
        is_open = turns[-1]["role"] == "assistant" and not turns[-1].get("tool_calls")
        template.update(tokenize=False, add_generation_prompt=not is_open, continue_final_message=is_open)
        try:
            return str(self.tokenizer.apply_chat_template(turns, **template))
        except (TemplateError, ValueError, TypeError, KeyError) as error:
            merged = _merge_user_turns(turns)
            if merged != turns:
                with suppress(TemplateError, ValueError, TypeError, KeyError):
                    return str(self.tokenizer.apply_chat_template(merged, **template))
            raise PromptError(f"the model's chat template refuses these messages: {error}") from error


def _merge_user_turns(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make system turns user turns, and merge user turns in a row, as some templates of Gemma and Mistral require."""
    merged: list[dict[str, Any]] = []
    for turn in turns:
        as_user = {**turn, "role": "user"} if turn["role"] == "system" else turn
        if merged and as_user["role"] == merged[-1]["role"] == "user":
            merged[-1] = {"role": "user", "content": f"{merged[-1]['content']}\n\n{as_user['content']}"}
        else:
            merged.append(as_user)
    return merged


def messages_to_text(messages: Sequence[BaseMessage]) -> str:
    """Render a conversation as plain text; a single user message without its role."""
    turns = [message_to_dict(message) for message in messages]
    if not turns:
        raise InputError(_NO_MESSAGES)
    system = [turn["content"] for turn in turns if turn["role"] == "system"]
    dialogue = [turn for turn in turns if turn["role"] != "system"]
    if len(dialogue) == 1 and dialogue[0]["role"] == "user":
        return "\n\n".join([*system, dialogue[0]["content"]])
    lines = [f"{turn['role'].capitalize()}: {turn['content']}" for turn in dialogue]
    if not dialogue or dialogue[-1]["role"] != "assistant":
        lines.append("Assistant:")
    return "\n\n".join([*system, "\n".join(lines)])


def message_to_dict(message: BaseMessage) -> dict[str, Any]:
    """Convert a message into the dictionary that chat templates read, or raise `InputError` if it is not only text."""
    role = _ROLES.get(message.type) or str(getattr(message, "role", message.type))
    turn: dict[str, Any] = {"role": role, "content": _text_of(message)}
    calls = getattr(message, "tool_calls", None)
    if calls:
        turn["tool_calls"] = [
            {"type": "function", "id": call["id"], "function": {"name": call["name"], "arguments": call["args"]}}
            for call in calls
        ]
    if message.type == "tool":
        turn["tool_call_id"] = message.tool_call_id  # type: ignore[attr-defined]
        turn["name"] = message.name
    return turn


def _text_of(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    parts = []
    for block in message.content:
        block_type = "text" if isinstance(block, str) else block.get("type", "text")
        if block_type == "text":
            parts.append(block if isinstance(block, str) else str(block.get("text", "")))
        elif block_type not in _SKIPPED_BLOCKS:
            found = f"a {message.type} message has a block of type {block_type!r}"
            raise InputError(f"this model reads text only, but {found}")
    return "".join(parts)


def _validate_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"{text[error.start]!r}, half a surrogate pair"
        raise PromptError(f"the text contains {half}: decode it with errors='replace'") from error
    return text


def _join_strings(value: Any) -> str:
    """Join all strings inside a value by a character that no special token has."""
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    return value if isinstance(value, str) else "\0".join(map(_join_strings, value)) if isinstance(value, list) else ""


def _map_strings(value: Any, function: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return function(value)
    if isinstance(value, Mapping):
        return {_map_strings(key, function): _map_strings(item, function) for key, item in value.items()}
    return [_map_strings(item, function) for item in value] if isinstance(value, list) else value
