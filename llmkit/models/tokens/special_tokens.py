"""Escaping special tokens: variants of a tokenizer for which their names, written in a text, are plain text."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from tokenizers import Encoding, Tokenizer

from llmkit.errors import ModelUnusable
from llmkit.models.library_errors import library_errors

_CACHED_VARIANTS = 4  # another variant is needed only where a text contains the prefix of one of these

_NO_PREFIX_SPACE: dict[str, dict[str, Any]] = {
    "Metaspace": {"prepend_scheme": "never"},
    "ByteLevel": {"add_prefix_space": False},
    "Prepend": {"prepend": ""},
}
"""The options, by type of a tokenizer's component, that put no space before a text."""

_COMPONENTS = ("normalizer", "normalizers", "pre_tokenizer", "pretokenizers")


class SpecialTokenEscaper:
    """Encodes text that contains names of special tokens, such as `<|im_end|>`.

    A special token here is any added token, except pure white space, which some tokenizers add as well.

    Attributes:
        backend: the tokenizer, without truncation and padding.
    """

    def __init__(self, tokenizer: Any) -> None:
        backend: Tokenizer = tokenizer.backend_tokenizer
        if backend.truncation or backend.padding:  # tokenizer.json may define them; both would change the prompt
            backend = type(backend).from_str(backend.to_str())
            backend.no_truncation()
            backend.no_padding()
        self.backend = backend
        special = [token for token in tokenizer.added_tokens_decoder.values() if is_special(token)]
        self._names = sorted({token.content for token in special}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._names)) or r"(?!)")
        self._normalizes = any(token.normalized for token in special)
        self._variant = lru_cache(_CACHED_VARIANTS)(self._build)

    def has_special(self, text: str) -> bool:
        """Return whether the tokenizer would find a special token in a text."""
        if self._pattern.search(text):
            return True
        normalizer = self.backend.normalizer if self._normalizes else None
        with library_errors(_damaged):
            return bool(normalizer and self._pattern.search(normalizer.normalize_str(text)))

    def tokenizer_for(self, text: str, *, continues: bool = False) -> Tokenizer:
        """Return the tokenizer that encodes all of a text as plain text; `continues` is as in `variant`."""
        if self.has_special(text):
            return self.variant(next(unused_characters(text)), continues=continues)
        return self.variant("", continues=True) if continues else self.backend

    def replace_names(self, text: str, delimiter: str) -> str:
        """Replace each name by its number between two delimiters."""
        return self._pattern.sub(lambda match: f"{delimiter}{self._names.index(match[0])}{delimiter}", text)

    def restore_names(self, text: str, delimiter: str) -> str:
        """Undo `replace_names`."""
        pattern = f"{re.escape(delimiter)}(\\d+){re.escape(delimiter)}"
        return re.sub(pattern, lambda match: self._names[int(match[1])], text)

    def prefix_names(self, text: str, prefix: str) -> str:
        """Put a prefix before each name: `variant(prefix)` encodes these, and no others, as special tokens."""
        return self._pattern.sub(lambda match: prefix + match[0], text)

    def variant(self, prefix: str, *, continues: bool = False) -> Tokenizer:
        """Return the tokenizer with `prefix` before the name of each special token.

        If the text `continues` another one, the tokenizer puts no space before it.
        """
        return self._variant(prefix, continues)

    def describe(self, prefix: str) -> str:
        """Return `variant(prefix)` in the format of tokenizer.json, with special tokens marked as such."""
        description = json.loads(self.backend.to_str())
        for token in description["added_tokens"]:
            token["special"] |= token["content"] in self._names
        _rename(description, {name: prefix + name for name in self._names})
        return json.dumps(description, ensure_ascii=False)

    def _build(self, prefix: str, continues: bool) -> Tokenizer:
        description = json.loads(self.backend.to_str())
        changed = continues and _remove_prefix_space(description)
        if not (prefix or changed):
            return self.backend
        _rename(description, {name: prefix + name for name in self._names} if prefix else {})
        with library_errors(_damaged):
            return type(self.backend).from_str(json.dumps(description, ensure_ascii=False))


def encode(backend: Tokenizer, text: str, *, special: bool) -> Encoding:
    """Encode a text, or raise `ModelUnusable` if the tokenizer cannot."""
    with library_errors(_damaged):
        return backend.encode(text, add_special_tokens=special)


def encode_batch(backend: Tokenizer, texts: Sequence[str]) -> list[Encoding]:
    """Encode texts, without start and end tokens, by several threads; their offsets are not computed."""
    with library_errors(_damaged):
        return list(backend.encode_batch_fast(list(texts), add_special_tokens=False))


def _damaged(reason: str) -> ModelUnusable:
    return ModelUnusable(
        f"the model's tokenizer is damaged, or of another class than its files ({reason}): get the model's files again"
    )


def unused_characters(text: str) -> Iterator[str]:
    """Yield characters that a text does not contain, from Linear B on, which is rare."""
    return (character for character in map(chr, itertools.count(0x10000)) if character not in text)


def is_special(token: Any) -> bool:
    """Return whether an added token is a special token, not mere white space."""
    return bool(token.special or token.content.replace("▁", " ").strip())


def _rename(description: dict[str, Any], new: dict[str, str]) -> None:
    for token in description["added_tokens"]:
        token["content"] = new.get(token["content"], token["content"])
    model = description["model"]
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {new.get(piece, piece): index for piece, index in vocabulary.items()}
    else:
        model["vocab"] = [[new.get(piece, piece), score] for piece, score in vocabulary]
    if model.get("unk_token") in new:
        model["unk_token"] = new[model["unk_token"]]


def _remove_prefix_space(component: Any) -> bool:
    """Change a tokenizer's description so that it puts no space before a text; return whether it did before."""
    if isinstance(component, list):
        return any([_remove_prefix_space(item) for item in component])
    if not isinstance(component, dict):
        return False
    options = _NO_PREFIX_SPACE.get(component.get("type", ""), {})
    changed = any(component.get(name) != value for name, value in options.items())
    component.update(options)
    return any([changed, *(_remove_prefix_space(component.get(name)) for name in _COMPONENTS)])
