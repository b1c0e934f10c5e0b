"""A completion that occupies a row of a step, or waits for one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from llmkit.models.generation.completion import Completion


@dataclass(eq=False)
class Row:
    """A completion while it is decoded in a row.

    Attributes:
        caller: whose completion it is.
        shared: what it shares with completions that have the same settings; see `SharedChoice`.
        processors: logits processors for this completion alone.
        index: its row in the current step.
        length: how many of its tokens, from the prompt on, were computed and led to a choice.
        logits: those behind its last token, `[1, vocabulary]`, if that was computed when the row began.
    """

    completion: Completion
    caller: Any
    shared: Any
    processors: Any  # a LogitsProcessorList, whose type wants tokens of another type
    index: int = -1
    length: int = 0
    logits: torch.Tensor | None = None
    _array: npt.NDArray[np.int64] | None = field(default=None, repr=False)

    @property
    def prompt(self) -> tuple[int, ...]:
        """The tokens of the prompt."""
        return self.completion.request.prompt

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens of prompt and completion so far."""
        return (*self.completion.request.prompt, *self.completion.token_ids)

    @property
    def total(self) -> int:
        """How many tokens prompt and completion have so far."""
        return len(self.completion.request.prompt) + len(self.completion.token_ids)

    @property
    def most(self) -> int:
        """How many tokens prompt and completion may have together."""
        return len(self.prompt) + self.completion.max_new_tokens

    @property
    def next_token(self) -> int:
        """The first token that was not computed."""
        at = self.length - len(self.completion.request.prompt)
        return self.completion.token_ids[at] if at >= 0 else self.completion.request.prompt[at]

    @property
    def is_last(self) -> bool:
        """Whether the next token of the completion is chosen behind `next_token`: no other one is known."""
        return self.length + 1 == self.total

    def token_array(self, width: int = 0) -> npt.NDArray[np.int64]:
        """Return all tokens so far, for logits processors, and behind them the first one up to the width."""
        if self._array is None:
            self._array = np.array(self.tokens, dtype=np.int64)
        new = self.completion.token_ids[len(self._array) - len(self.prompt) :]
        self._array = np.append(self._array, np.array(new, dtype=np.int64))
        return np.pad(self._array, (0, max(width - len(self._array), 0)), constant_values=self._array[0])
