"""Messages and text to token ids, exactly as the model expects them, with special tokens in texts escaped.

Only a chat template's own markup becomes special tokens. The name of a special token inside a message (`<|im_end|>`,
`</s>`) is encoded as the plain characters that it is written with, so that no message or web page can open a turn or
end the prompt. Text without such names is tokenized exactly as `apply_chat_template` does.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from llmkit.errors import ContextWindowExceeded, LlmkitError, ModelUnusable, PromptError
from llmkit.models.tokens.content_blocks import left_out_blocks
from llmkit.models.tokens.recent import Recent
from llmkit.models.tokens.special_tokens import SpecialTokenEscaper, encode, encode_batch, is_special, unused_characters
from llmkit.models.tokens.template_renderer import RenderedConversation, TemplateRenderer
from llmkit.models.tokens.turns import Turn, is_unmarked_error, message_to_dict, messages_to_text, tool_turns_to_text
from llmkit.text.lengths import estimate_too_long

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage, MessageLikeRepresentation
    from tokenizers import Encoding
    from transformers import PreTrainedTokenizerBase

_KEPT_TOKENS = 1_000_000  # of prompts that were encoded
_KEPT_OFFSETS = 20_000  # which are asked for several times while a text is divided

Layout = Literal["chat", "completion", "flan"]
"""How a conversation is rendered: by the chat template, as plain text, or as plain text for an encoder."""


class PromptEncoder:
    """Turns messages or plain text into the token ids that the model receives."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        is_encoder_decoder: bool,
        bos_token_id: int | None = None,
        vocab_size: int | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self._empty = [] if is_encoder_decoder or bos_token_id is None else [bos_token_id]
        self._vocab_size = vocab_size
        self._encoded: Recent[array[int]] = Recent(_KEPT_TOKENS)
        self._offsets: Recent[list[tuple[int, int]]] = Recent(_KEPT_OFFSETS)
        self._escaper = SpecialTokenEscaper(tokenizer)
        self._renderer = TemplateRenderer(tokenizer)
        self._is_encoder_decoder = is_encoder_decoder
        self.layout: Layout = "chat" if tokenizer.chat_template else "flan" if is_encoder_decoder else "completion"

    def encode_text(self, text: str, *, special: bool = True) -> list[int]:
        """Encode plain text, with the tokenizer's own start and end tokens unless `special` is false.

        An empty prompt is the token that begins a text, where the model has one.
        """
        tokens = self._encode(("text", special, text), lambda: self._encoding(text, special=special))
        return tokens or (list(self._empty) if special else [])

    def encode_continuation(self, text: str) -> list[int]:
        """Encode text that continues other text: without a start token, and without a space put before it.

        The decoder of an encoder-decoder model begins its own text, so that its first space may be added.
        """
        return self._ids(self._encoding(text, continues=not self._is_encoder_decoder))

    def encode_continuations(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode each text as `encode_continuation` does; plain ones in one call, by several threads."""
        joined = _validate_text("\0".join(texts))  # no special token has this character
        if not texts or self._escaper.has_special(joined):
            return list(map(self.encode_continuation, texts))
        backend = self._escaper.tokenizer_for("", continues=not self._is_encoder_decoder)
        return [self._ids(encoding) for encoding in encode_batch(backend, texts)]

    def encode_ahead(
        self, conversations: Sequence[Sequence[BaseMessage]], template: Mapping[str, Any], texts: Sequence[str] = ()
    ) -> None:
        """Render and encode conversations and plain texts in few calls, before they are asked for one by one.

        What cannot be encoded is left to `encode_messages` and `encode_text`, and so are names of special tokens.
        """
        prompts = self._render_ahead(conversations, template) if self.layout == "chat" else []
        plain = [text for text in texts if _is_encodable(text) and not self._escaper.has_special(text)]
        keys: list[tuple[Any, ...]] = [
            *(("prompt", text) for text in prompts),
            *(("text", False, text) for text in plain),
        ]
        new = [key for key in dict.fromkeys(keys) if self._encoded.get(key) is None]
        with suppress(LlmkitError):
            encodings = encode_batch(self._escaper.backend, [key[-1] for key in new])
            for key, encoding in zip(new, encodings, strict=True):
                self._keep(key, encoding)

    def _render_ahead(self, conversations: Sequence[Sequence[BaseMessage]], template: Mapping[str, Any]) -> list[str]:
        """Render conversations without names of special tokens, in few requests; others are left out."""
        plain = []
        for messages in conversations:
            with suppress(LlmkitError):
                turns = self._turns(messages)
                if turns and not self._escaper.has_special(_validate_text(_join_strings([turns, dict(template)]))):
                    plain.append(turns)
        self._renderer.render_ahead(plain, template)
        rendered = []
        for turns in plain:
            with suppress(LlmkitError):
                rendered.append(self._renderer.render(turns, template).text)
        return rendered

    def _encode(self, key: Hashable, encoding: Callable[[], Encoding]) -> list[int]:
        """Return the tokens of a key, computed once while it is recent."""
        known = self._encoded.get(key)
        return self._keep(key, encoding()) if known is None else known.tolist()

    def _keep(self, key: Hashable, encoding: Encoding) -> list[int]:
        tokens = self._ids(encoding)
        self._encoded.put(key, array("q", tokens), len(tokens) + 1)
        return tokens

    def check_length(self, prompt: str | Sequence[BaseMessage], window: int) -> None:
        """Raise `ContextWindowExceeded` for a prompt that is far too long, without encoding all of it."""
        text = prompt if isinstance(prompt, str) else "".join(message.text for message in prompt)
        if tokens := estimate_too_long(text, window, lambda part: len(self.encode_text(part, special=False))):
            raise ContextWindowExceeded(tokens, window)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the range of characters `[start, end)` of each token of a text."""
        known = self._offsets.get(text)
        if known is None:
            known = self._encoding(text).offsets
            self._offsets.put(text, known, len(known) + 1)
        return list(known)

    def _encoding(self, text: str, *, special: bool = False, continues: bool = False) -> Encoding:
        backend = self._escaper.tokenizer_for(_validate_text(text), continues=continues)
        return encode(backend, text, special=special)

    def _ids(self, encoding: Encoding) -> list[int]:
        tokens = list(encoding.ids)
        if self._vocab_size is not None and tokens and max(tokens) >= self._vocab_size:
            raise ModelUnusable(
                f"the model's tokenizer has the token {max(tokens)}, but the model has {self._vocab_size} tokens: get "
                "the model's files again, all from one place, or resize the embeddings (resize_token_embeddings)"
            )
        return tokens

    def encode_messages(self, messages: Sequence[BaseMessage], **template: Any) -> list[int]:
        """Encode a conversation up to the beginning of the answer.

        If the last message is the assistant's, it is left open, and the answer continues it. Keyword arguments are
        further variables of the chat template, such as `tools`.

        Raises:
            InputError: there are no messages, or one has an image or audio.
            PromptError: the model's chat template refuses these messages or leaves one out, also in simpler forms (see
                `turn_repair`); or a text cannot be encoded as UTF-8.
        """
        if self.layout != "chat":
            return self.encode_text(messages_to_text(messages))
        turns: Any = self._turns(messages)
        text = _validate_text(_join_strings([turns, template]))
        if not self._escaper.has_special(text):
            rendered = self._renderer.render(turns, template).text
            return self._encode(("prompt", rendered), lambda: encode(self._escaper.backend, rendered, special=False))
        delimiter, prefix = itertools.islice(unused_characters(text), 2)
        turns, template = _map_strings([turns, template], lambda part: self._escaper.replace_names(part, delimiter))
        try:
            rendered = self._renderer.render(turns, template).text
        except PromptError as error:
            raise PromptError(self._escaper.restore_names(str(error), delimiter)) from error
        marked = self._escaper.prefix_names(rendered, prefix)
        restored = self._escaper.restore_names(marked, delimiter)
        return self._ids(encode(self._escaper.variant(prefix), restored, special=False))

    def render(self, messages: Sequence[MessageLikeRepresentation] | str, **template: Any) -> str:
        """Render a conversation as the text that is encoded, with its markup.

        Messages may also be dictionaries, tuples and texts, as LangChain's models take them.
        """
        from langchain_core.messages import convert_to_messages

        given = [messages] if isinstance(messages, str) else messages
        return self._rendered(convert_to_messages(given), template).text

    def changes(self, messages: Sequence[BaseMessage], **template: Any) -> tuple[str, ...]:
        """Return how a conversation is changed so that the chat template renders all of it, a sentence each."""
        failed = ["results of tools that failed begin with 'Error: '"] if any(map(is_unmarked_error, messages)) else []
        return (*left_out_blocks(messages), *failed, *self._rendered(messages, template).changes)

    def _rendered(self, messages: Sequence[BaseMessage], template: dict[str, Any]) -> RenderedConversation:
        if self.layout != "chat":
            return RenderedConversation(_validate_text(messages_to_text(messages)))
        turns = self._turns(messages)
        _validate_text(_join_strings([turns, template]))
        return self._renderer.render(turns, template)

    def _turns(self, messages: Sequence[BaseMessage]) -> list[Turn]:
        """Return messages as turns; tools are text where the chat template has none."""
        turns = [message_to_dict(message) for message in messages]
        return turns if self.template_accepts_tools else tool_turns_to_text(turns)

    @cached_property
    def special_token_ids(self) -> dict[str, int]:
        """The ids of special tokens by name, such as Qwen's `<tool_call>`."""
        added = self.tokenizer.added_tokens_decoder.items()
        return {token.content: index for index, token in added if is_special(token)}

    @cached_property
    def template_accepts_tools(self) -> bool:
        """Whether the chat template renders tools."""
        return self._renderer.renders_tools


def _validate_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"{text[error.start]!r}, half a surrogate pair"
        raise PromptError(f"the text contains {half}: decode it with errors='replace'") from error
    return text


def _is_encodable(text: str) -> bool:
    with suppress(PromptError):
        return bool(_validate_text(text))
    return False


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
