"""The tokenizer of the model that a server runs, loaded here: prompts are then exact tokens, whatever the server does.

Only the tokenizer is fetched, never the weights.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmkit.errors import LlmkitError, ModelNotFound, ModelUnusable
from llmkit.models.library_errors import library_errors
from llmkit.models.tokens.chat_template import PromptEncoder
from llmkit.models.weights import catalog, hub
from llmkit.models.weights.folder_files import CONFIG, GENERATION_CONFIG, read_object
from llmkit.models.weights.reading import read_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PLAIN_WORDS = (" the", " a", "the", "a", " ", "1")


class ServedTokens:
    """A tokenizer, and what scores need to know of its model.

    Attributes:
        name: what messages call it.
        encoder: turns messages and text into tokens.
        end: the token that most likely ends a completion, as a list; empty if there is none.
        size: how many tokens there are.
        bos: the token that begins a text, if there is one.
    """

    def __init__(self, name: str, tokenizer: PreTrainedTokenizerBase, end: Sequence[int]) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise ModelUnusable(f"the tokenizer of {name} is not a fast one: it needs a tokenizer.json")
        self.name, self.end, self.size = name, list(end), len(tokenizer)
        bos: Any = tokenizer.bos_token_id
        self.bos: int | None = bos if isinstance(bos, int) else None
        self.encoder = PromptEncoder(tokenizer, is_encoder_decoder=False, bos_token_id=self.bos)

    @classmethod
    def load(cls, given: Any, model: str, root: str = "") -> ServedTokens:
        """Load the tokenizer that is given, or that of the model's name.

        Args:
            given: a name (see `llmkit.models.weights.catalog.resolve`), a path or a tokenizer; or `None`.
            model: the name of the served model, which may be that of a model here or on the hub.
            root: what the server says that its model was loaded from; only a name of the hub or the catalog is used.

        Raises:
            ModelNotFound: no tokenizer is given, and the names are no model's here or on the hub.
        """
        if given is not None and not isinstance(given, str | os.PathLike):
            name = str(getattr(given, "name_or_path", "") or type(given).__name__)
            return cls(name, given, _likeliest_end(given, {}))
        if given is not None:
            return cls._read(os.fspath(given))
        for name in (model, root if root in catalog.CATALOG or hub.is_hub_id(root) else ""):
            with suppress(LlmkitError):
                return cls._read(name)
        raise ModelNotFound(
            f"there is no tokenizer of {model!r} here or on the Hugging Face hub: pass tokenizer=, the "
            "name or the folder of the model that the server runs"
        )

    @classmethod
    def _read(cls, name: str) -> ServedTokens:
        folder = _tokenizer_folder(name)
        with library_errors(lambda reason: ModelUnusable(f"the tokenizer of {name} cannot be read: {reason}")):
            tokenizer = read_tokenizer(folder)
        return cls(name, tokenizer, _likeliest_end(tokenizer, _generation_settings(folder)))

    @cached_property
    def plain_token(self) -> int:
        """A token that is whole characters."""
        for words in _PLAIN_WORDS:
            tokens = self.encoder.encode_continuation(words)
            if len(tokens) == 1:
                return tokens[0]
        return tokens[0]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, with the names of special tokens."""
        decoded: Any = self.encoder.tokenizer.decode(
            list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return str(decoded)


def _tokenizer_folder(name: str) -> Path:
    """Return a folder with a model's tokenizer, without its weights where these would have to be fetched."""
    if name and name not in catalog.CATALOG:
        path = catalog.path_of(name)
        if path.is_dir():
            return path
        if hub.is_hub_id(name) and not path.exists():
            return hub.snapshot(name, weights=False)
    return catalog.resolve(name)


def _generation_settings(folder: Path) -> dict[str, Any]:
    """Return what a folder says of the tokens that end a completion: its generation config, or else its config."""
    for file in (GENERATION_CONFIG, CONFIG):
        if (folder / file).is_file() and "eos_token_id" in (values := read_object(folder / file)):
            return values
    return {}


def _likeliest_end(tokenizer: Any, settings: dict[str, Any]) -> list[int]:
    """Return the token that most likely ends a completion, as `LoadedModel.likeliest_eos` does."""
    for ids in (settings.get("eos_token_id"), tokenizer.eos_token_id):
        listed = ids if isinstance(ids, list | tuple) else [ids]
        if found := [token for token in listed if isinstance(token, int) and 0 <= token < len(tokenizer)]:
            return sorted(found, key=lambda token: (token != tokenizer.eos_token_id, token))[:1]
    return []
