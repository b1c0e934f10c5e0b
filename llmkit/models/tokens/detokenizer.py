"""Token ids to text, one by one: only whole characters, and no part of a stop string."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")  # a single byte, in tokenizers with byte fallback
_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


class Detokenizer:
    """Returns the text of tokens one by one; joined, it is the text of all tokens, up to the first stop string.

    Text that may be the beginning of a stop string is withheld until that is decided.

    A token's text can depend on the token before it (the first one loses its space). So the new text is what the latest
    tokens decode to, without what they decoded to before the new one.

    A text may begin with a `context`: the last tokens of a text that it continues, so that its first space counts.
    Special tokens are left out, but for the `visible` ones.
    """

    def __init__(
        self,
        tokenizer: Any,
        stop: Sequence[str] = (),
        context: Sequence[int] = (),
        visible: Collection[int] = (),
    ) -> None:
        self._backend = tokenizer.backend_tokenizer
        self._hidden: frozenset[int] | None = None  # all special tokens
        if visible:
            added = self._backend.get_added_tokens_decoder().items()
            self._hidden = frozenset(index for index, token in added if token.special).difference(visible)
        self._stop = stop
        self._recent = list(context)
        self._returned = len(self._decode(self._recent))  # characters of the recent tokens' text
        self._complete = len(context)  # how many of the recent tokens these are of
        self._in_bytes, self._withheld = False, ""
        self.stopped = False  # by a stop string
        self.stop_string: str | None = None  # the one that was found

    def push(self, token: int) -> str:
        """Add a token, and return the text that is now certain, which may be empty."""
        self._recent.append(token)
        if BYTE_TOKEN.fullmatch(self._backend.id_to_token(token) or ""):
            self._in_bytes = True  # bytes in a row are decoded together: a wrong one makes all of them wrong
        elif self._in_bytes and self._decode([token]):
            self._in_bytes = False
        text = self._decode(self._recent)
        if self._in_bytes or text.endswith(_INCOMPLETE) or len(text) <= self._returned:
            return ""
        return self._release(self._advance(text))

    def finish(self) -> str:
        """Return the text that was withheld, once there are no more tokens."""
        if self.stopped:
            return ""
        text = self._release(self._advance(self._decode(self._recent)))
        rest, self._withheld = self._withheld, ""
        return text + rest

    def _advance(self, text: str) -> str:
        new = text[self._returned :]
        self._recent, self._complete = self._recent[self._complete :], len(self._recent) - self._complete
        self._returned = len(self._decode(self._recent))
        return new

    def _decode(self, tokens: list[int]) -> str:
        if self._hidden is None:
            return str(self._backend.decode(tokens, skip_special_tokens=True))
        visible = [token for token in tokens if token not in self._hidden]
        return str(self._backend.decode(visible, skip_special_tokens=False))

    def _release(self, new: str) -> str:
        if self.stopped:
            return ""
        if not self._stop:
            return new
        text = self._withheld + new
        # The stop string that is complete first counts.
        ends = [(start + len(stop), start) for stop in self._stop if (start := text.find(stop)) >= 0]
        if ends:
            end, start = min(ends)
            self.stopped, self.stop_string, self._withheld = True, text[start:end], ""
            return text[:start]
        keep = max((overlap_length(text, stop) for stop in self._stop), default=0)
        self._withheld = text[len(text) - keep :]
        return text[: len(text) - keep]


def overlap_length(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that is a beginning of `stop`, but not all of it."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
