"""Words in the place of masked tokens: `fill_mask`, and labels by their words (verbalizers, Schick & Schütze 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmkit.errors import InputError, ModelUnusable
from llmkit.models.encoders.forward_passes import EncodedInput, ForwardPasses
from llmkit.models.encoders.label_heads import LabelWords, Matrix, log_softmax
from llmkit.models.tokens.special_tokens import SpecialTokenEscaper, unused_characters

Row = NDArray[np.float64]
_LABEL_PASSES = 8
"""Inputs of one forward pass: logits have a number for each token of the vocabulary."""


@dataclass(frozen=True)
class MaskedLMHead:
    """Scores tokens in the place of a mask.

    A label follows the text in the template's sentence. The log-probability of a label of several tokens is that of its
    tokens from left to right, each with the later ones masked (PLL-word-l2r, Kauf & Ivanova 2023).
    """

    passes: ForwardPasses
    template: str

    method = "masked words"
    is_independent = False
    prefers_labels = True

    @property
    def mask_token(self) -> str:
        """The text of the mask, such as `[MASK]`."""
        token = self.passes.loaded.tokenizer.mask_token
        if token is None:
            raise ModelUnusable("the tokenizer of this masked language model has no mask token: get its files again")
        return str(token)

    @property
    def mask_id(self) -> int:
        """The id of the mask."""
        return int(self.passes.loaded.tokenizer.mask_token_id)

    def text_window(self, labels: LabelWords) -> int:
        """Return the most tokens of a text that fit the window together with the template and the longest label.

        Raises:
            InputError: a label has a character that the vocabulary lacks.
        """
        longest = max(len(self._label_ids(words)) for _, words in labels)
        template = len(self.passes.encode_text(f" {self.template}").ids)
        return self.passes.window - self.passes.special_tokens(is_pair=False) - template - longest

    def log_probabilities(self, texts: Sequence[str], labels: LabelWords, *, multi_label: bool) -> Matrix:
        """Return the log-probability of each label among the labels: [texts, labels]."""
        ids = [self._label_ids(words) for _, words in labels]
        beginnings = sorted({(len(row), tuple(row[:place])) for row in ids for place in range(len(row))})
        inputs = [self._input(text, *beginning) for text in texts for beginning in beginnings]
        wanted = {key: sorted({row[len(key[1])] for row in ids if _begins(row, key)}) for key in beginnings}

        def read(outputs: Any, row: int, index: int) -> Row:
            key, (_, place) = beginnings[index % len(beginnings)], inputs[index]
            log_probabilities = outputs.logits[row, place].double().log_softmax(-1)
            return np.asarray(log_probabilities[wanted[key]].cpu().numpy())

        rows = self.passes.run([item for item, _ in inputs], read, min(_LABEL_PASSES, self.passes.batch_size))
        scores = np.zeros((len(texts), len(labels)))
        for number in range(len(texts)):
            known = dict(zip(beginnings, rows[number * len(beginnings) :][: len(beginnings)], strict=True))
            for column, row in enumerate(ids):
                keys = [(len(row), tuple(row[:place])) for place in range(len(row))]
                scores[number, column] = sum(
                    known[key][wanted[key].index(token)] for key, token in zip(keys, row, strict=True)
                )
        return log_softmax(scores)

    def _label_ids(self, words: str) -> list[int]:
        """Return the tokens that a label's words have in the template."""
        before, after = self.template.split("{}")
        start = len(f". {before}")
        encoding = self.passes.encode_text(f". {before}{words}{after}")
        end = start + len(words)
        pairs = zip(encoding.ids, encoding.offsets, strict=True)
        ids = [token for token, (first, last) in pairs if first < end and last > start and first < last]
        unknown = self.passes.loaded.tokenizer.unk_token_id
        if not ids or unknown in ids:
            raise InputError(f"the label {words!r} has characters that this model's vocabulary lacks: give other words")
        return ids

    @cached_property
    def _escaper(self) -> SpecialTokenEscaper:
        return SpecialTokenEscaper(self.passes.loaded.tokenizer)

    def _input(self, text: str, masks: int, filled: Sequence[int]) -> tuple[EncodedInput, int]:
        """Return a text with the template after it, in which the label is `filled` and then masked, and where."""
        prefix = next(unused_characters(text)) if self._escaper.has_special(text) else ""
        before, after = self.template.split("{}")
        masked = f"{text} {before}{(prefix + self.mask_token) * masks}{after}"
        encoding = self._escaper.variant(prefix).encode(masked)
        ids = list(encoding.ids)
        places = [place for place, token in enumerate(ids) if token == self.mask_id]
        for place, token in zip(places, filled, strict=False):
            ids[place] = token
        return EncodedInput(ids, encoding.type_ids), places[len(filled)]


def _begins(row: Sequence[int], key: tuple[int, tuple[int, ...]]) -> bool:
    return len(row) == key[0] and tuple(row[: len(key[1])]) == key[1]
