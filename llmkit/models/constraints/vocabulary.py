"""A tokenizer's tokens as bytes, for llguidance's grammar compiler."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llguidance import LLTokenizer, TokenizerWrapper

from llmkit.errors import ConstraintError
from llmkit.models.tokens.detokenizer import BYTE_TOKEN
from llmkit.models.tokens.special_tokens import SpecialTokenEscaper, is_special

_SPECIAL_PREFIX = "\U0010ffff"  # before names of special tokens: text with `<think>` in it is made of other tokens


def build_vocabulary(tokenizer: Any, size: int, eos_token_ids: Sequence[int]) -> LLTokenizer:
    """Build the vocabulary of `size` tokens, or raise `ConstraintError` if their bytes are not known."""
    escaper = SpecialTokenEscaper(tokenizer)
    source: Any = escaper.describe(_SPECIAL_PREFIX)
    decoder = json.loads(escaper.backend.to_str())["decoder"] or {}
    # llguidance reads tokenizers with byte-level tokens or byte fallback, but not those with Metaspace, such as T5's.
    for part in decoder.get("decoders", [decoder]):
        if part.get("type") == "Metaspace":
            source = TokenizerWrapper(_MetaspaceTokens(tokenizer, escaper, part["replacement"], eos_token_ids))
    try:
        return LLTokenizer(source, n_vocab=max(size, len(tokenizer)), eos_token=list(eos_token_ids) or None)
    except (ValueError, NotImplementedError, KeyError, TypeError, IndexError) as error:
        raise ConstraintError(
            f"constrained decoding cannot work with {type(tokenizer).__name__} of this model: {error}"
        ) from error


def drops_first_space(tokenizer: Any, vocabulary: LLTokenizer) -> bool:
    """Return whether decoding drops the space that the first token begins with, as SentencePiece does."""
    for token in range(len(tokenizer)):
        written = b"" if vocabulary.is_special_token(token) else vocabulary.decode_bytes([token])
        if written.startswith(b" ") and len(written) > 1:  # the single byte of a space does not begin a text
            return not tokenizer.backend_tokenizer.decode([token]).startswith(" ")
    return False


def tokens_for(vocabulary: LLTokenizer, text: str) -> list[int] | None:
    """Return tokens that write a text, or `None` if there are none."""
    tokens = list(vocabulary.greedy_tokenize(text))
    return tokens if tokens and vocabulary.decode_bytes(tokens) == text.encode() else None


class _MetaspaceTokens:
    """The attributes that llguidance reads of a tokenizer: the bytes of each token, and the tokens of a text."""

    bos_token_id = None

    def __init__(self, tokenizer: Any, escaper: SpecialTokenEscaper, space: str, eos_token_ids: Sequence[int]) -> None:
        added = tokenizer.added_tokens_decoder
        self.eos_token_id = eos_token_ids[0] if eos_token_ids else 0
        self.special_token_ids = [index for index, token in added.items() if is_special(token)]
        has_byte_fallback = '"ByteFallback"' in json.dumps(json.loads(escaper.backend.to_str())["decoder"])

        def bytes_of(index: int) -> bytes:
            piece = str(escaper.backend.id_to_token(index) or "")
            if has_byte_fallback and BYTE_TOKEN.fullmatch(piece):
                return bytes([int(piece[3:5], 16)]).strip(b" ")  # a space has a token that is not a byte
            return (piece if index in added else piece.replace(space, " ")).encode()

        self.tokens = [bytes_of(index) for index in range(len(tokenizer))]
        special = set(self.special_token_ids)
        self._ids = {piece: index for index, piece in enumerate(self.tokens) if piece and index not in special}
        self._escaper, self._longest = escaper, max(map(len, self._ids))

    def __call__(self, text: bytes) -> list[int]:
        """Return the tokens of a text; where these write something else, such as "unknown", the longest that do."""
        decoded = text.decode()
        backend = self._escaper.tokenizer_for(decoded, continues=True)
        tokens = list(backend.encode(decoded, add_special_tokens=False).ids)
        if b"".join(self.tokens[token] for token in tokens) == text:
            return tokens
        tokens = []
        while text:
            lengths = range(min(len(text), self._longest), 0, -1)
            length = next((length for length in lengths if text[:length] in self._ids), 0)
            if not length:
                break
            tokens.append(self._ids[text[:length]])
            text = text[length:]
        return tokens
