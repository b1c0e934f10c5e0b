"""Labels by the cosine similarity of their words to a text (bi-encoders, Reimers & Gurevych 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmkit.errors import InputError
from llmkit.models.encoders.forward_passes import ForwardPasses
from llmkit.models.encoders.label_heads import LabelWords, Matrix, log_softmax
from llmkit.models.library_errors import computing_errors

SCALE = 20.0
"""What similarities are multiplied by before the softmax, as in the loss that embedders are trained with:
https://sbert.net/docs/package_reference/sentence_transformer/losses.html#multiplenegativesrankingloss"""


@dataclass(frozen=True)
class EmbedderHead:
    """Compares the vector of a text with those of the labels."""

    passes: ForwardPasses
    template: str

    method = "similarity"
    is_independent = False
    prefers_labels = True

    def text_window(self, labels: LabelWords) -> int:
        """Return the most tokens of a text that are read at once.

        Raises:
            InputError: a label is longer, of which sentence-transformers would leave out the end.
        """
        model: Any = self.passes.loaded.model
        prompt = model.prompts.get(model.default_prompt_name, "") if model.default_prompt_name else ""
        special = self.passes.special_tokens(is_pair=False) + len(self.passes.encode_text(prompt).ids)
        window = self.passes.window - special
        for label, words in labels:
            tokens = len(self.passes.encode_text(self.template.replace("{}", words)).ids)
            if tokens > window > 0:
                what = f"the label {label!r:.80}" if words == label else f"the description of {label!r:.80}"
                raise InputError(f"{what} is {tokens} tokens, but the model reads {window}: give a shorter one")
        return window

    def log_probabilities(self, texts: Sequence[str], labels: LabelWords, *, multi_label: bool) -> Matrix:
        """Return the log-probability of each label: [texts, labels]."""
        words = [self.template.replace("{}", words) for _, words in labels]
        vectors = self._embed([*words, *texts])
        return log_softmax(SCALE * vectors[len(words) :] @ vectors[: len(words)].T)

    def _embed(self, texts: Sequence[str]) -> Matrix:
        loaded = self.passes.loaded
        loaded.check_weights()
        with loaded.forward_pass(), computing_errors(loaded):
            vectors = loaded.model.encode(
                list(texts),
                batch_size=self.passes.batch_size,
                normalize_embeddings=True,
                show_progress_bar=False,
                convert_to_tensor=True,
            )
        return np.asarray(vectors.double().cpu().numpy())
