"""Token ids to text, as they come: whole characters only, and never a piece of a stop string."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BYTE = re.compile(r"<0x[0-9A-F]{2}>")  # what tokenizers that fall back to bytes call one
_BROKEN = "\N{REPLACEMENT CHARACTER}"


class Detokenizer:
    """Gives the text of tokens one by one; what it gave, joined, is the whole answer.

    A character that is spread over several tokens comes with its last one. Text that may be the beginning of a
    stop string is kept back until it is clear whether it is one.

    A token's text can depend on the one before it (the first loses its space), so a piece is what a few tokens
    give together, less what they gave without the last ones.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        stop: Sequence[str] = (),
        before: Sequence[int] = (),
        shown: Collection[int] = (),
    ) -> None:
        """Take the stop strings, and the last tokens of a text that goes on here: then a first space counts.

        Special tokens are not text, but for those that are to be `shown`.
        """
        self._backend = tokenizer.backend_tokenizer
        self._hidden: frozenset[int] | None = None  # all special ones
        if shown:
            added = self._backend.get_added_tokens_decoder().items()
            self._hidden = frozenset(number for number, token in added if token.special).difference(shown)
        self._stop = stop
        self._recent = list(before)
        self._given = len(self._decode(self._recent))  # characters of the recent tokens' text that were given
        self._known = len(before)  # how many of the recent tokens gave them
        self._open = False
        self._held = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Take one token; give the text that is now certain, which may be empty."""
        self._recent.append(token)
        if BYTE.fullmatch(self._backend.id_to_token(token) or ""):
            self._open = True  # bytes in a row are read together: one that is wrong makes all of them wrong
        elif self._decode([token]):
            self._open = False
        text = self._decode(self._recent)
        if self._open or text.endswith(_BROKEN) or len(text) <= self._given:
            return ""
        return self._release(self._advance(text))

    def finish(self) -> str:
        """Give what was kept back, once no more tokens come."""
        if self.stopped:
            return ""
        text = self._release(self._advance(self._decode(self._recent)))
        rest, self._held = self._held, ""
        return text + rest

    def _advance(self, text: str) -> str:
        new = text[self._given :]
        self._recent, self._known = self._recent[self._known :], len(self._recent) - self._known
        self._given = len(self._decode(self._recent))
        return new

    def _decode(self, tokens: list[int]) -> str:
        if self._hidden is None:
            return str(self._backend.decode(tokens, skip_special_tokens=True))
        shown = [token for token in tokens if token not in self._hidden]
        return str(self._backend.decode(shown, skip_special_tokens=False))

    def _release(self, new: str) -> str:
        if self.stopped:
            return ""
        text = self._held + new
        cut = self._first_stop(text)
        if cut is not None:
            self.stopped, self._held = True, ""
            return text[:cut]
        keep = max((overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def _first_stop(self, text: str) -> int | None:
        """Where the stop string begins that is the first to be complete."""
        found = [(at + len(stop), at) for stop in self._stop if (at := text.find(stop)) >= 0]
        return min(found)[1] if found else None


def overlap(text: str, stop: str) -> int:
    """Give the length of the longest end of `text` that `stop` begins with, short of the whole."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
