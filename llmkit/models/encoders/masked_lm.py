"""Words in the place of masked tokens: `fill_mask`, and labels by their words (verbalizers, Schick & Schütze 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from llmkit.errors import ContextWindowExceeded, InputError, ModelUnusable
from llmkit.models.encoders.forward_passes import EncodedInput, ForwardPasses
from llmkit.models.encoders.label_heads import LabelWords, Matrix, log_softmax
from llmkit.models.tokens.special_tokens import SpecialTokenEscaper, unused_characters
from llmkit.text.ranking import descending

Row = NDArray[np.float64]
_LABEL_PASSES = 8
"""Inputs of one forward pass: logits have a number for each token of the vocabulary."""


_MARGIN = 2
"""Tokens that stay free: a text before the template may have other tokens than alone."""


class MaskFilling(NamedTuple):
    """A token in the place of a mask.

    Attributes:
        text: the word, without white space around it, or a piece of one.
        score: its probability among all tokens, the other masks of the text being masked.
        token: its id.
    """

    text: str
    score: float
    token: int


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
        return self.passes.window - self.passes.special_tokens(is_pair=False) - template - longest - _MARGIN

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

    def fill(self, text: str, top_k: int, targets: Sequence[str] | None) -> list[list[MaskFilling]]:
        """Return the likeliest words for each mask of a text, or all targets, the likeliest first.

        Raises:
            InputError: the text has no mask, or a target is no single token of the vocabulary.
            ContextWindowExceeded: the text does not fit the window.
        """
        parts = text.split(self.mask_token)
        if len(parts) == 1:
            raise InputError(f"the text has no mask: write {self.mask_token} where words are to be found")
        item, places = self._masked(parts)
        wanted = [
            None if targets is None else [self._only_token(left, target, right) for target in targets]
            for left, right in pairwise(parts)
        ]

        def read(outputs: Any, row: int, index: int) -> Matrix:
            return np.asarray(outputs.logits[row, places].double().softmax(-1).cpu().numpy())

        [rows] = self.passes.run([item], read)
        return [self._likeliest(row, ids, targets, top_k) for row, ids in zip(rows, wanted, strict=True)]

    def _likeliest(
        self, probabilities: Row, ids: Sequence[int] | None, targets: Sequence[str] | None, top_k: int
    ) -> list[MaskFilling]:
        if ids is None or targets is None:
            best = descending(probabilities)[:top_k]
            texts = [str(self.passes.loaded.tokenizer.decode([index])).strip() for index in best]
            return [MaskFilling(text, float(probabilities[i]), int(i)) for text, i in zip(texts, best, strict=True)]
        found = [MaskFilling(text, float(probabilities[i]), i) for text, i in zip(targets, ids, strict=True)]
        return sorted(found, key=lambda filling: -filling.score)

    def _only_token(self, left: str, target: str, right: str) -> int:
        ids = self._word_ids(left, target, right)
        if len(ids) != 1:
            pieces = self.passes.loaded.tokenizer.convert_ids_to_tokens(ids)
            raise InputError(
                f"the target {target!r} is {len(ids)} tokens of this model ({' '.join(pieces)}), but a mask is one: "
                "give another word, or compare words of several tokens by label_scores, with the sentence as template="
            )
        return ids[0]

    def _label_ids(self, words: str) -> list[int]:
        """Return the tokens that a label's words have in the template, which follows a text."""
        before, after = self.template.split("{}")
        return self._word_ids(f". {before}", words, after)

    def _word_ids(self, left: str, words: str, right: str) -> list[int]:
        """Return the tokens that words have between two texts."""
        encoding = self.passes.encode_text(f"{left}{words}{right}")
        start, end = len(left), len(left) + len(words)
        pairs = zip(encoding.ids, encoding.offsets, strict=True)
        ids = [token for token, (first, last) in pairs if first < end and last > start and first < last]
        unknown = self.passes.loaded.tokenizer.unk_token_id
        if not ids or unknown in ids:
            raise InputError(f"{words!r} has characters that this model's vocabulary lacks: give other words")
        return ids

    @cached_property
    def _escaper(self) -> SpecialTokenEscaper:
        """Finds special tokens in texts; over a copy of the tokenizer, on which others may set truncation."""
        tokenizer = self.passes.loaded.tokenizer
        backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        return SpecialTokenEscaper(
            SimpleNamespace(backend_tokenizer=backend, added_tokens_decoder=tokenizer.added_tokens_decoder)
        )

    def _input(self, text: str, masks: int, filled: Sequence[int]) -> tuple[EncodedInput, int]:
        """Return a text with the template after it, in which the label is `filled` and then masked, and where."""
        before, after = self.template.split("{}")
        item, places = self._masked([f"{text} {before}", *[""] * (masks - 1), after])
        ids = list(item.ids)
        for place, token in zip(places, filled, strict=False):
            ids[place] = token
        return EncodedInput(ids, item.type_ids), places[len(filled)]

    def _masked(self, parts: Sequence[str]) -> tuple[EncodedInput, list[int]]:
        """Return the tokens of texts with a mask between any two, and the places of the masks.

        Names of special tokens in the texts are plain text: the mask is found by another name if a text has any.
        """
        has_special = any(map(self._escaper.has_special, parts))
        prefix = next(unused_characters("".join(parts))) if has_special else ""
        encoding = self._escaper.variant(prefix).encode((prefix + self.mask_token).join(parts))
        if len(encoding.ids) > self.passes.window:
            raise ContextWindowExceeded(len(encoding.ids), self.passes.window, "the text", "shorten it")
        places = [place for place, token in enumerate(encoding.ids) if token == self.mask_id]
        return EncodedInput.of(encoding), places


def _begins(row: Sequence[int], key: tuple[int, tuple[int, ...]]) -> bool:
    return len(row) == key[0] and tuple(row[: len(key[1])]) == key[1]
