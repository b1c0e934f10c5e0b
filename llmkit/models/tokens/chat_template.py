"""Messages and text to token ids, exactly as the model expects them; and text stays text.

Only a template's own markup becomes control tokens. A control token's name that stands inside a message
(`<|im_end|>`, `</s>`) is encoded as the plain characters it is written with, so that nothing a user or a page says
can open a turn or end the prompt. Text without such names is tokenized exactly as `apply_chat_template` does.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from llmkit.errors import InputError, PromptError
from llmkit.models.tokens.special_tokens import Names, is_control, unused

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from transformers import PreTrainedTokenizerBase

Layout = Literal["chat", "completion", "flan"]
"""How a conversation is laid out: by the chat template, as plain text, or as plain text for an encoder."""


class PromptEncoder:
    """Turns messages or plain text into the token ids that the model receives."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, is_encoder_decoder: bool) -> None:
        self.tokenizer = tokenizer
        self._names = Names(tokenizer)
        self._is_encoder_decoder = is_encoder_decoder
        self.layout: Layout = "chat" if tokenizer.chat_template else "flan" if is_encoder_decoder else "completion"

    def encode_text(self, text: str, *, special: bool = True) -> list[int]:
        """Give the ids of plain text, with the tokenizer's own start and end tokens unless `special` is false."""
        return list(self._names.for_text(_whole(text)).encode(text, add_special_tokens=special).ids)

    def encode_continuation(self, text: str) -> list[int]:
        """Give the ids of text that goes on where other text ended: no start token, and no space put before it.

        A decoder with an encoder begins its text itself.
        """
        backend = self._names.for_text(_whole(text), onward=not self._is_encoder_decoder)
        return list(backend.encode(text, add_special_tokens=False).ids)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Give the half-open range of characters of `text` that each of its tokens covers."""
        return list(self._names.for_text(_whole(text)).encode(text, add_special_tokens=False).offsets)

    def encode_messages(self, messages: Sequence[BaseMessage], **template: Any) -> list[int]:
        """Give the ids of a conversation up to where the answer begins.

        A last message of the assistant's own is left open, and the answer goes on from it. `template` holds further
        variables for the chat template, such as `tools`.

        Raises:
            InputError: no messages, or one with an image or a sound.
            PromptError: the model's chat template refuses these messages, or one is no text that can be encoded.
        """
        if self.layout != "chat":
            return self.encode_text(messages_to_text(messages))
        turns: Any = [message_to_dict(message) for message in messages]
        text = _whole(_everything([turns, template]))
        if not self._names.in_text(text):
            return list(self._names.plain.encode(self._render(turns, **template), add_special_tokens=False).ids)
        sign, mark = itertools.islice(unused(text), 2)
        turns, template = _map_text([turns, template], lambda part: self._names.hide(part, sign))
        marked = self._names.mark(self._render(turns, **template), mark)
        backend = self._names.variant(mark)
        return list(backend.encode(self._names.show(marked, sign), add_special_tokens=False).ids)

    def render(self, messages: Sequence[BaseMessage], **template: Any) -> str:
        """Give the text that a conversation becomes, markup included."""
        if self.layout != "chat":
            return messages_to_text(messages)
        return self._render([message_to_dict(message) for message in messages], **template)

    @cached_property
    def special_token_ids(self) -> dict[str, int]:
        """The names of control tokens, such as Qwen's `<tool_call>`, with their ids."""
        added = self.tokenizer.added_tokens_decoder.items()
        return {token.content: index for index, token in added if is_control(token)}

    @cached_property
    def template_accepts_tools(self) -> bool:
        """Whether the chat template itself lays out tools."""
        return bool(re.search(r"\btools\b", str(self.tokenizer.chat_template or "")))

    def _render(self, turns: list[dict[str, Any]], **template: Any) -> str:
        from jinja2 import TemplateError

        if not turns:
            raise InputError("the message list is empty: give at least one message")
        open_turn = turns[-1]["role"] == "assistant" and not turns[-1].get("tool_calls")
        template.update(tokenize=False, add_generation_prompt=not open_turn, continue_final_message=open_turn)
        try:
            return str(self.tokenizer.apply_chat_template(turns, **template))
        except (TemplateError, ValueError, TypeError, KeyError) as error:
            simpler = simplified(turns)
            if simpler != turns:
                with suppress(TemplateError, ValueError, TypeError, KeyError):
                    return str(self.tokenizer.apply_chat_template(simpler, **template))
            raise PromptError(f"the model's chat template refuses these messages: {error}") from error


def simplified(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put a conversation into the turns that every template takes: no system turn, and no two users' turns in a row.

    Gemma's templates and some of Mistral's take no others; what the turns say stays, in its order.
    """
    plain: list[dict[str, Any]] = []
    for turn in turns:
        as_user = {**turn, "role": "user"} if turn["role"] == "system" else turn
        if plain and as_user["role"] == plain[-1]["role"] == "user":
            plain[-1] = {"role": "user", "content": f"{plain[-1]['content']}\n\n{as_user['content']}"}
        else:
            plain.append(as_user)
    return plain


def messages_to_text(messages: Sequence[BaseMessage]) -> str:
    """Lay a conversation out as plain text: alone, a message is itself; a dialogue has its speakers named.

    Raises:
        InputError: no messages, or one with an image or a sound.
    """
    turns = [message_to_dict(message) for message in messages]
    if not turns:
        raise InputError("the message list is empty: give at least one message")
    head = [turn["content"] for turn in turns if turn["role"] == "system"]
    talk = [turn for turn in turns if turn["role"] != "system"]
    if len(talk) == 1 and talk[0]["role"] == "user":
        return "\n\n".join([*head, talk[0]["content"]])
    lines = [f"{turn['role'].capitalize()}: {turn['content']}" for turn in talk]
    if not talk or talk[-1]["role"] != "assistant":
        lines.append("Assistant:")
    return "\n\n".join([*head, "\n".join(lines)])


_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}


def message_to_dict(message: BaseMessage) -> dict[str, Any]:
    """Give a message as the dictionary that chat templates read.

    Raises:
        InputError: the message holds something other than text.
    """
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


_SILENT = {"reasoning", "thinking", "tool_use", "tool_call", "input_json_delta", "redacted_thinking"}


def _text_of(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    parts = []
    for block in message.content:
        kind = "text" if isinstance(block, str) else block.get("type", "text")
        if kind == "text":
            parts.append(block if isinstance(block, str) else str(block.get("text", "")))
        elif kind not in _SILENT:  # a tool call is in `tool_calls`; earlier reasoning is not shown again
            raise InputError(f"this model reads text only, but a {message.type} message holds a block of type {kind!r}")
    return "".join(parts)


def _whole(text: str) -> str:
    """Give a text that every tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start]
        raise PromptError(f"the text holds {half!r}, half a surrogate pair: decode it with errors='replace'") from error
    return text


def _everything(value: Any) -> str:
    """All strings inside, joined by a character that no control token holds."""
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    return value if isinstance(value, str) else "\0".join(map(_everything, value)) if isinstance(value, list) else ""


def _map_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_map_text(key, change): _map_text(item, change) for key, item in value.items()}
    return [_map_text(item, change) for item in value] if isinstance(value, list) else value
