"""Texts in, the outputs of the head out: tokens, windows and batches."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from tokenizers import Encoding, Tokenizer

from llmkit.errors import ContextWindowExceeded, ModelUnusable
from llmkit.models.encoders.arguments import validate_characters
from llmkit.models.library_errors import computing_errors, library_errors
from llmkit.models.loaded_model import LoadedModel

Output = TypeVar("Output")
BATCH_TOKENS = 16_384
"""The most tokens of a forward pass of several inputs: as many as 32 of 512 have."""
_ADVICE = "shorten it, or choose a model with a larger window"


class EncodedInput(NamedTuple):
    """The tokens of one input, special tokens included, and which of its two texts each belongs to."""

    ids: Sequence[int]
    type_ids: Sequence[int]

    @classmethod
    def of(cls, encoding: Encoding) -> EncodedInput:
        """Return the tokens of an encoding."""
        return cls(encoding.ids, encoding.type_ids)


@dataclass(frozen=True)
class ForwardPasses:
    """Runs an encoder on texts and pairs of texts of any number and length.

    The tokenizer is a copy: truncation and padding are set on it, which the caller's own must not have. Names of
    special tokens in a text, such as `[SEP]`, are plain text.

    Attributes:
        window: the most tokens of one input, special tokens included.
        batch_size: the most inputs of one forward pass.
    """

    loaded: LoadedModel
    window: int
    batch_size: int
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @cached_property
    def backend(self) -> Tokenizer:
        """The tokenizer, without truncation and padding."""
        backend = Tokenizer.from_str(self.loaded.tokenizer.backend_tokenizer.to_str())
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = True
        return backend

    @cached_property
    def _input_names(self) -> frozenset[str]:
        accepted = inspect.signature(self.loaded.model.forward).parameters
        return frozenset({"attention_mask", "token_type_ids"} & set(accepted) & set(self._tokenizer_names))

    @property
    def _tokenizer_names(self) -> Sequence[str]:
        return list(self.loaded.tokenizer.model_input_names)

    def special_tokens(self, *, is_pair: bool) -> int:
        """Return how many special tokens are added to a text, or to a pair of texts."""
        return int(self.backend.num_special_tokens_to_add(is_pair))

    def encode_text(self, text: str) -> Encoding:
        """Encode a text alone, without special tokens."""
        validate_characters("the text", text)
        with self._lock, library_errors(_damaged):
            self.backend.no_truncation()
            return self.backend.encode(text, add_special_tokens=False)

    def encode(self, texts: Sequence[str | tuple[str, str]]) -> list[Encoding]:
        """Encode texts or pairs that fit the window.

        Raises:
            ContextWindowExceeded: one does not fit.
        """
        with self._lock, library_errors(_damaged):
            self.backend.no_truncation()
            encodings: list[Encoding] = self.backend.encode_batch(list(texts))
        longest = max((len(encoding.ids) for encoding in encodings), default=0)
        if longest > self.window:
            raise ContextWindowExceeded(longest, self.window, "a text and what it is compared with", _ADVICE)
        return encodings

    def encode_windows(self, first: str, second: str, *, size: int, stride: int) -> list[Encoding]:
        """Encode a pair in windows of `size` tokens, in which all of the first text is, and a part of the second.

        The parts of neighboring windows share `stride` tokens.
        """
        with self._lock, library_errors(_damaged):
            self.backend.enable_truncation(size, stride=stride, strategy="only_second")
            found: Encoding = self.backend.encode(first, second)
            self.backend.no_truncation()
        return [found, *found.overflowing]

    def run(
        self, inputs: Sequence[EncodedInput], read: Callable[[Any, int, int], Output], batch_size: int | None = None
    ) -> list[Output]:
        """Return what `read` makes of the outputs for each input, which are computed in batches of similar length.

        `read` gets the outputs of a batch, the row of the input in it, and the input's index.
        """
        self.loaded.check_weights()
        results: dict[int, Output] = {}
        order = sorted(range(len(inputs)), key=lambda index: len(inputs[index].ids))
        with self.loaded.forward_pass(), computing_errors(self.loaded):
            for batch in self._batches(order, inputs, batch_size or self.batch_size):
                outputs = self.loaded.model(**self._tensors([inputs[index] for index in batch]))
                for row, index in enumerate(batch):
                    results[index] = read(outputs, row, index)
        return [results[index] for index in range(len(inputs))]

    def _batches(self, order: Sequence[int], inputs: Sequence[EncodedInput], size: int) -> Iterator[Sequence[int]]:
        """Yield batches of inputs in this order, the shortest first; without a token for padding, of one length each.

        Long inputs are in smaller batches, which have at most `BATCH_TOKENS`.
        """
        batch: list[int] = []
        for index in order:
            length = len(inputs[index].ids)
            is_full = len(batch) == size or (len(batch) + 1) * length > BATCH_TOKENS
            if batch and (is_full or (self._pad_id is None and length != len(inputs[batch[0]].ids))):
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch

    @property
    def _pad_id(self) -> int | None:
        config: Any = getattr(self.loaded.model, "config", None)
        ids = (getattr(config, "pad_token_id", None), self.loaded.tokenizer.pad_token_id)
        return next((token for token in ids if isinstance(token, int)), None)

    def _tensors(self, batch: Sequence[EncodedInput]) -> dict[str, Any]:
        import torch

        length, pad = max(len(item.ids) for item in batch), self._pad_id or 0
        rows = {
            "input_ids": [[*item.ids, *[pad] * (length - len(item.ids))] for item in batch],
            "attention_mask": [[1] * len(item.ids) + [0] * (length - len(item.ids)) for item in batch],
            "token_type_ids": [[*item.type_ids, *[0] * (length - len(item.type_ids))] for item in batch],
        }
        names = ("input_ids", *sorted(self._input_names))
        return {name: torch.tensor(rows[name], device=self.loaded.device) for name in names}


def _damaged(reason: str) -> ModelUnusable:
    return ModelUnusable(f"the model's tokenizer cannot encode this ({reason}): get the model's files again")
