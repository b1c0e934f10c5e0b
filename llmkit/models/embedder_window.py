"""How many tokens of a text an embedder reads, where that can be known; it ignores the rest without an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

LEAST_WINDOW = 8
"""In tokens, of an embedder whose prompt fills its window: a passage has some words."""


@dataclass(frozen=True)
class EmbedderWindow:
    """The tokenizer of an embedder and its window; a `TokenCounter`.

    Attributes:
        window: the most tokens of a text that are read, without special tokens and those of a prompt.
    """

    tokenizer: Tokenizer
    window: int

    def get_num_tokens(self, text: str) -> int:
        """Return the number of tokens of a text alone."""
        return len(self.token_offsets(text))

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the half-open range of characters of `text` that each of its tokens covers."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).offsets)


def find_embedder_window(embedder: Any) -> EmbedderWindow | None:
    """Return the window of LangChain's `HuggingFaceEmbeddings`; `None` for embedders that do not show theirs."""
    model = getattr(embedder, "_client", None) or getattr(embedder, "client", None)
    backend = getattr(getattr(model, "tokenizer", None), "backend_tokenizer", None)
    window = getattr(model, "max_seq_length", None)
    if not isinstance(backend, Tokenizer) or not isinstance(window, int):
        return None
    tokenizer = Tokenizer.from_str(backend.to_str())  # the embedder's own is set to truncate
    tokenizer.no_truncation()
    tokenizer.no_padding()
    options = getattr(embedder, "encode_kwargs", {})
    prompts = [options.get("prompt"), *(getattr(model, "prompts", None) or {}).values()]
    prompt = max(len(tokenizer.encode(text or "", add_special_tokens=False).ids) for text in prompts)
    usable = window - tokenizer.num_special_tokens_to_add(False) - prompt
    return EmbedderWindow(tokenizer, max(usable, LEAST_WINDOW))
