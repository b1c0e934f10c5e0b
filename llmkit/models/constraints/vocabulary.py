"""A tokenizer's tokens as the bytes that they write, for the compiler of grammars."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llguidance import LLTokenizer, TokenizerWrapper

from llmkit.errors import ConstraintError
from llmkit.models.tokens.detokenizer import BYTE
from llmkit.models.tokens.special_tokens import Names, is_control

_UNWRITTEN = "\U0010ffff"  # in the names of control tokens: a text with `<think>` in it is made of other tokens


def vocabulary_of(tokenizer: Any, size: int, ends: Sequence[int]) -> LLTokenizer:
    """Give the vocabulary of `size` tokens, some of which end an answer.

    Raises:
        ConstraintError: what the tokenizer's tokens write is not known.
    """
    names = Names(tokenizer)
    space = _space(json.loads(names.plain.to_str())["decoder"])
    # llguidance reads byte-level tokenizers and those that fall back to bytes, but not those of Metaspace's kind.
    given = TokenizerWrapper(_Pieces(tokenizer, names, space, ends)) if space else names.described(_UNWRITTEN)
    try:
        return LLTokenizer(given, n_vocab=max(size, len(tokenizer)), eos_token=list(ends) or None)
    except (ValueError, NotImplementedError, KeyError, TypeError, IndexError) as error:
        raise ConstraintError(
            f"constrained decoding cannot work with {type(tokenizer).__name__} of this model: {error}"
        ) from error


def drops_space(tokenizer: Any, vocabulary: LLTokenizer) -> bool:
    """Whether an answer's text is without the space that its first token begins with, as SentencePiece has it."""
    for number in range(len(tokenizer)):
        written = b"" if vocabulary.is_special_token(number) else vocabulary.decode_bytes([number])
        if written.startswith(b" ") and len(written) > 1:  # the byte of a space, alone, is not how text begins
            return not tokenizer.backend_tokenizer.decode([number]).startswith(" ")
    return False


def writes(vocabulary: LLTokenizer, text: str) -> list[int] | None:
    """Give tokens that write a text, or `None` where there are none."""
    tokens = list(vocabulary.greedy_tokenize(text))
    return tokens if tokens and vocabulary.decode_bytes(tokens) == text.encode() else None


def _space(decoder: dict[str, Any] | None) -> str:
    """Give what stands for a space in the tokens of a tokenizer of Metaspace's kind, such as T5's; else nothing."""
    parts = (decoder or {}).get("decoders", [decoder or {}])
    return next((str(part["replacement"]) for part in parts if part.get("type") == "Metaspace"), "")


class _Pieces:
    """What llguidance asks of a tokenizer: the bytes of each token, and the tokens of a text."""

    bos_token_id = None

    def __init__(self, tokenizer: Any, names: Names, space: str, ends: Sequence[int]) -> None:
        added = tokenizer.added_tokens_decoder
        self.eos_token_id = ends[0] if ends else 0
        self.special_token_ids = [number for number, token in added.items() if is_control(token)]
        in_bytes = '"ByteFallback"' in json.dumps(json.loads(names.plain.to_str())["decoder"])

        def written(number: int) -> bytes:
            piece = str(names.plain.id_to_token(number) or "")
            if in_bytes and BYTE.fullmatch(piece):
                return bytes([int(piece[3:5], 16)]).strip(b" ")  # a space has a token that is no byte
            return (piece if number in added else piece.replace(space, " ")).encode()

        self.tokens = [written(number) for number in range(len(tokenizer))]
        special = set(self.special_token_ids)
        self._ids = {piece: number for number, piece in enumerate(self.tokens) if piece and number not in special}
        self._widest = max(map(len, self._ids))
        self._names = names

    def __call__(self, text: bytes) -> list[int]:
        """Give a text's usual tokens; where these say something else, such as "unknown", the longest that write it."""
        said = text.decode()
        usual = self._names.for_text(said, onward=True).encode(said, add_special_tokens=False).ids
        if b"".join(self.tokens[number] for number in usual) == text:
            return list(usual)
        found: list[int] = []
        while text:
            ends = range(min(len(text), self._widest), 0, -1)
            end = next((end for end in ends if text[:end] in self._ids), 0)
            if not end:
                break
            found.append(self._ids[text[:end]])
            text = text[end:]
        return found
