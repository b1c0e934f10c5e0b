"""Variants of a tokenizer in which the name of a control token, standing in a text, is text."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

_KEPT = 4  # variants that are kept: one more is made only where a text holds the mark of another


class Names:
    """The names of a tokenizer's control tokens, and how to encode a text that holds them.

    A control token is one that is not made from text: an added token, but for mere white space, which some
    tokenizers add as well.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        backend: Tokenizer = tokenizer.backend_tokenizer
        if backend.truncation or backend.padding:  # a tokenizer.json may hold either; both would change the prompt
            backend = type(backend).from_str(backend.to_str())
            backend.no_truncation()
            backend.no_padding()
        self.plain = backend
        added = [token for token in tokenizer.added_tokens_decoder.values() if is_control(token)]
        self._names = sorted({token.content for token in added}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._names)) or r"(?!)")
        self._normalizes = any(token.normalized for token in added)
        self._variants: dict[tuple[str, bool], Tokenizer] = {}

    def in_text(self, text: str) -> bool:
        """Whether the tokenizer would find a control token in this text."""
        if self._pattern.search(text):
            return True
        normalizer = self.plain.normalizer if self._normalizes else None
        return bool(normalizer and self._pattern.search(normalizer.normalize_str(text)))

    def for_text(self, text: str, *, onward: bool = False) -> Tokenizer:
        """Give the tokenizer that encodes all of a text as text; `onward` as in `variant`."""
        if self.in_text(text):
            return self.variant(next(unused(text)), onward=onward)
        return self.variant("", onward=True) if onward else self.plain

    def hide(self, text: str, sign: str) -> str:
        """Put numbers between two signs in the place of names."""
        return self._pattern.sub(lambda match: f"{sign}{self._names.index(match[0])}{sign}", text)

    def show(self, text: str, sign: str) -> str:
        """Put the names back that `hide` took out."""
        return re.sub(f"{re.escape(sign)}(\\d+){re.escape(sign)}", lambda match: self._names[int(match[1])], text)

    def mark(self, text: str, mark: str) -> str:
        """Put a mark before each name: for `variant(mark)` these, and no others, are control tokens."""
        return self._pattern.sub(lambda match: mark + match[0], text)

    def variant(self, mark: str, *, onward: bool = False) -> Tokenizer:
        """Give the same tokenizer with `mark` before the name of each control token.

        With `onward` it takes no text for the beginning of a document: it puts no space before it.
        """
        key = (mark, onward)
        made = self._variants.get(key)
        if made is None:
            made = self._make(mark, onward=onward)
            newest = list(self._variants.items())[-_KEPT + 1 :]
            self._variants = {**dict(newest), key: made}  # a new dict: other threads may be reading the old one
        return made

    def described(self, mark: str) -> str:
        """Give the description, as of a tokenizer.json, of `variant(mark)`, with each control token called special."""
        spec = json.loads(self.plain.to_str())
        for token in spec["added_tokens"]:
            token["special"] |= token["content"] in self._names
        _rename(spec, {name: mark + name for name in self._names})
        return json.dumps(spec, ensure_ascii=False)

    def _make(self, mark: str, *, onward: bool) -> Tokenizer:
        spec = json.loads(self.plain.to_str())
        changed = onward and _go_on(spec)
        if mark:
            _rename(spec, {name: mark + name for name in self._names})
        return type(self.plain).from_str(json.dumps(spec, ensure_ascii=False)) if mark or changed else self.plain


def unused(text: str) -> Iterator[str]:
    """Yield letters that a text does not hold; the first are of Linear B, which few texts do."""
    return (sign for sign in map(chr, itertools.count(0x10000)) if sign not in text)


def is_control(token: Any) -> bool:
    """Whether an added token is a control token."""
    return bool(token.special or token.content.replace("▁", " ").strip())


def _rename(spec: dict[str, Any], new: dict[str, str]) -> None:
    for token in spec["added_tokens"]:
        token["content"] = new.get(token["content"], token["content"])
    model = spec["model"]
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {new.get(piece, piece): index for piece, index in vocabulary.items()}
    else:
        model["vocab"] = [[new.get(piece, piece), score] for piece, score in vocabulary]
    if model.get("unk_token") in new:
        model["unk_token"] = new[model["unk_token"]]


_NO_SPACE: dict[str, dict[str, Any]] = {
    "Metaspace": {"prepend_scheme": "never"},
    "ByteLevel": {"add_prefix_space": False},
    "Prepend": {"prepend": ""},
}
"""How each part of a tokenizer is told to put no space before a text."""


def _go_on(part: Any) -> bool:
    """Change a tokenizer's description so that it puts no space before a text; say whether that was needed."""
    if isinstance(part, list):
        return any([_go_on(item) for item in part])
    if not isinstance(part, dict):
        return False
    told = _NO_SPACE.get(part.get("type", ""), {})
    changed = any(part.get(name) != value for name, value in told.items())
    part.update(told)
    return any([changed, *(_go_on(part.get(name)) for name in _PARTS)])


_PARTS = ("normalizer", "normalizers", "pre_tokenizer", "pretokenizers")
