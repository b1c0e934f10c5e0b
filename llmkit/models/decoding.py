"""Token ids to text, as they come: whole characters only, and never a piece of a stop string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenizers.decoders import DecodeStream

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class TextStream:
    """Gives the text of tokens one by one; what it gave, joined, is the whole answer.

    A character that is spread over several tokens comes with its last one. Text that may be the beginning of a stop
    string is kept back until it is clear whether it is one.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._decoder = DecodeStream(skip_special_tokens=True)
        self._stop = stop
        self._ids: list[int] = []
        self._decoded = 0
        self._held = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Take one token; give the text that is now certain, which may be empty."""
        self._ids.append(token)
        new = self._decoder.step(self._tokenizer.backend_tokenizer, token) or ""
        self._decoded += len(new)
        return self._release(new)

    def finish(self) -> str:
        """Give what was kept back, once no more tokens come."""
        if self.stopped:
            return ""
        whole = str(self._tokenizer.backend_tokenizer.decode(self._ids, skip_special_tokens=True))
        rest, self._held = self._held + whole[self._decoded :], ""
        cut = self._first_stop(rest)
        return rest if cut is None else rest[:cut]

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
        found = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        return min(found, default=None)


def overlap(text: str, stop: str) -> int:
    """Give the length of the longest end of `text` that `stop` begins with, short of the whole."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
