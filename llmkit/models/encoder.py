"""Encoder-only models under the chains: what each can do is read from its configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from llmkit.errors import InputError, ModelUnusable
from llmkit.models.encoders.embedder import EmbedderHead
from llmkit.models.encoders.forward_passes import ForwardPasses
from llmkit.models.encoders.heads import USES, Head
from llmkit.models.encoders.label_heads import ClassifierHead, PairHead
from llmkit.models.encoders.loading import EncoderSpec, LoadedEncoder, find_encoder, from_objects
from llmkit.models.encoders.long_texts import pooled_log_probabilities
from llmkit.models.encoders.masked_lm import MaskedLMHead
from llmkit.models.encoders.token_classifier import Aggregation, SpanScores, TokenClassifierHead
from llmkit.models.weights.context_window import NO_LIMIT
from llmkit.models.weights.quantization import weights_nbytes
from llmkit.text.words import with_article

_TEMPLATES = {Head.ENTAILMENT: "This example is {}.", Head.MASKED_LM: "It is about {}."}
"""The sentence for a label: that of transformers' zero-shot pipeline; others get the label alone."""
BATCH_SIZE = 32


class HuggingFaceEncoder:
    """An encoder-only model that runs in this process, with what its head can do.

    Give it to a chain as `llm=`: classifiers of entailment, cross-encoders, sentence embedders, masked language models
    and classifiers of texts to `ZeroShotClassificationChain`, classifiers of tokens to `NERChain`, question-answering
    heads to `QAChain`. Texts of any length are read in windows.

    Example:
        >>> encoder = HuggingFaceEncoder("minilm-l6")
        >>> encoder.label_scores(["The match ended 3 to 2."], ["sports", "politics"]).argmax()
        0

    Args:
        model: a name or a path (see `llmkit.models.weights.catalog.resolve`), or a loaded model of transformers or
            sentence-transformers, which is not changed.
        tokenizer: the tokenizer of a loaded model of transformers; not needed with a name.
        device: "cpu", "cuda", "cuda:1", "mps", "auto" (the best one here), or a device map of accelerate.
        dtype: "float32", "bfloat16", "float16" or "auto": float32 on a CPU, else what the device multiplies fastest.
        quantization: "int8", "int4" or `None`.
        context_window: the most tokens of one window, special tokens included; by default, and at most, the model's.
        template: the sentence for a label, with `{}` in the place of the label. By default "This example is {}." for a
            classifier of entailment, "It is about {}." for a masked language model, and else the label alone.
        aggregation: how the tokens of a word get one tag: by that of the first ("first"), which is how most classifiers
            of tokens are trained, by the mean of their probabilities ("average"), by the surest one ("max"), or not at
            all ("simple").
        batch_size: the most inputs of one forward pass.

    Raises:
        ModelNotFound, ModelUnusable: no such model, or it has no head that can be used.
        InputError: an argument is wrong; says which.
    """

    def __init__(
        self,
        model: Any,
        *,
        tokenizer: Any = None,
        device: str = "auto",
        dtype: str = "auto",
        quantization: str | None = None,
        context_window: int | None = None,
        template: str | None = None,
        aggregation: Aggregation = "first",
        batch_size: Any = BATCH_SIZE,
    ) -> None:
        model = os.fspath(model) if isinstance(model, os.PathLike) else model
        if aggregation not in get_args(Aggregation):
            raise InputError(f"aggregation is {aggregation!r}, but must be one of {', '.join(get_args(Aggregation))}")
        self._options = {
            **{"context_window": context_window, "template": template},
            **{"aggregation": aggregation, "batch_size": batch_size},
        }
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"batch_size is {batch_size!r}, but must be a whole number, at least 1")
        self._spec = EncoderSpec(model, device, dtype, quantization) if isinstance(model, str) else None
        self._encoder = find_encoder(self._spec) if self._spec else from_objects(model, tokenizer)
        head = self._encoder.head
        self.template = _validate_template(template, head)
        self._passes = ForwardPasses(self._encoder.loaded, _validate_window(context_window, self._encoder), batch_size)
        self._label_head = self._find_label_head(head)
        self._token_head = TokenClassifierHead(self._passes, aggregation) if head is Head.TOKEN_CLASSIFIER else None

    def __repr__(self) -> str:
        return f"HuggingFaceEncoder({self.model_name!r}, head={self.head.value!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._spec is None or self.weights_version:
            raise InputError(
                "an encoder that was given as an object, or whose weights have changed, cannot be pickled: save it "
                "(save_pretrained(folder), the tokenizer too) and load the folder"
            )
        return _restore, (self._spec, self._options)

    @property
    def head(self) -> Head:
        """What the model's last layers were trained for."""
        return self._encoder.head

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The methods that this model has: `label_scores`, `span_scores`, `answer_spans`, `fill_mask`."""
        return self.head.capabilities

    @property
    def model_name(self) -> str:
        """The model's name in the catalog or on the hub, or else its folder or class."""
        return self._encoder.loaded.name

    @property
    def context_window(self) -> int:
        """The most tokens that are read at once, special tokens included."""
        return self._passes.window

    @property
    def weights_version(self) -> int:
        """How many changes of the weights were noticed since they were loaded; looks for one now."""
        return self._encoder.loaded.check_weights()

    @property
    def num_parameters(self) -> int:
        """How many weights the model has."""
        return sum(weight.numel() for weight in self._encoder.loaded.model.parameters())

    def memory_footprint(self) -> int:
        """Return the memory of the weights, in bytes."""
        return weights_nbytes(self._encoder.loaded.model)

    def get_num_tokens(self, text: str) -> int:
        """Return the number of tokens of a text alone, without special tokens."""
        return len(self._passes.encode_text(text).ids)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the half-open range of characters of `text` that each of its tokens covers."""
        return [(start, end) for start, end in self._passes.encode_text(text).offsets]

    @property
    def label_method(self) -> str:
        """How the head scores labels: "entailment", "relevance", "classifier", "similarity" or "masked words"."""
        return self._require_label_head().method

    @property
    def is_independent(self) -> bool:
        """Whether the model judges each label by itself; if not, it can only compare labels with one another."""
        return self._require_label_head().is_independent

    @property
    def prefers_labels(self) -> bool:
        """Whether the model prefers some labels whatever the text says, so that its prior should be subtracted."""
        return self._require_label_head().prefers_labels

    def text_window(self, labels: Sequence[str], descriptions: Mapping[str, str] | None = None) -> int:
        """Return the most tokens of a text that are read at once together with the longest label.

        Raises:
            InputError: the model cannot score labels, or not these.
        """
        window = self._require_label_head().text_window(_with_words(labels, descriptions))
        if window < 1:
            raise InputError(
                f"the labels leave no tokens for a text in the window of {self.context_window}: give shorter ones"
            )
        return window

    def label_scores(
        self,
        texts: Sequence[Any],
        labels: Sequence[Any],
        descriptions: Mapping[str, str] | None = None,
        *,
        multi_label: bool = False,
    ) -> NDArray[np.float64]:
        """Compute the log-probability of each label for each text, in nats.

        Args:
            texts: texts of any length; the probabilities of a long one are the means over its passages.
            labels: the labels. For a classifier of texts, among its own.
            descriptions: words for a label, which the model sees instead of it.
            multi_label: whether each label holds or not by itself; else the probabilities of a text add up to one.

        Returns:
            An array `[texts, labels]`.

        Raises:
            InputError: there is nothing to score, a label is none of the model's own, or with `multi_label` the model
                can only compare labels with one another.
        """
        head = self._require_label_head()
        _validate_texts(texts=texts, labels=labels)
        if multi_label and not head.is_independent:
            raise InputError(
                f"{with_article(self.head.value)} compares labels with one another, which multi_label=True does not "
                "allow: use ZeroShotClassificationChain, which adds other labels to compare with"
            )
        window, words = self.text_window(labels, descriptions), _with_words(labels, descriptions)
        return pooled_log_probabilities(
            lambda parts: head.log_probabilities(parts, words, multi_label=multi_label), list(texts), self, window
        )

    def span_scores(
        self, texts: Sequence[str], labels: Sequence[str], descriptions: Mapping[str, str] | None = None
    ) -> list[SpanScores]:
        """Find the spans of texts that the model takes for entities, and the log-probability of each label for them.

        Args:
            texts: texts of any length; long ones are read in windows that overlap.
            labels: among the model's own, without `B-` and the like; `person` is `PER`, too.
            descriptions: the model's own name for a label, or several divided by commas.

        Raises:
            InputError: the model is no classifier of tokens, or lacks a label.
        """
        head = self._require_token_head()
        _validate_texts(texts=texts, labels=labels)
        return head.span_scores(texts, _with_words(labels, descriptions))

    def check_span_labels(self, labels: Sequence[str], descriptions: Mapping[str, str] | None = None) -> None:
        """Raise `InputError` if the model is no classifier of tokens, or lacks one of these labels."""
        self._require_token_head().columns(_with_words(labels, descriptions))

    def _require_token_head(self) -> TokenClassifierHead:
        if self._token_head is None:
            raise self.cannot("span_scores")
        return self._token_head

    def _find_label_head(self, head: Head) -> PairHead | ClassifierHead | EmbedderHead | MaskedLMHead | None:
        if head in (Head.ENTAILMENT, Head.RELEVANCE):
            return PairHead(self._passes, head, self.template)
        if head is Head.CLASSIFIER:
            return ClassifierHead(self._passes)
        if head is Head.EMBEDDER:
            return EmbedderHead(self._passes, self.template)
        return MaskedLMHead(self._passes, self.template) if head is Head.MASKED_LM else None

    def _require_label_head(self) -> PairHead | ClassifierHead | EmbedderHead | MaskedLMHead:
        if self._label_head is None:
            raise self.cannot("label_scores")
        return self._label_head

    def cannot(self, capability: str) -> InputError:
        """Return the error of a method that this model does not have, which names those that it has."""
        does = " and ".join(f"{name} ({USES[name]})" for name in self.capabilities)
        return InputError(
            f"{self.model_name} has {with_article(self.head.value)}, which has no {capability}: it does {does}"
        )


def _restore(spec: EncoderSpec, options: Mapping[str, Any]) -> HuggingFaceEncoder:
    where: dict[str, Any] = {"device": spec.device, "dtype": spec.dtype, "quantization": spec.quantization}
    return HuggingFaceEncoder(spec.model, **where, **options)


def _with_words(labels: Sequence[str], descriptions: Mapping[str, str] | None) -> list[tuple[str, str]]:
    return [(label, (descriptions or {}).get(label, label).strip()) for label in labels]


def _validate_texts(**lists: Sequence[Any]) -> None:
    for name, values in lists.items():
        if isinstance(values, str) or not all(isinstance(value, str) and value.strip() for value in values):
            raise InputError(f"{name} is {values!r:.80}, but must be a list of texts, none of them empty")
        if not values:
            raise InputError(f"{name} is empty: give at least one")


def _validate_template(template: Any, head: Head) -> str:
    if template is None:
        return _TEMPLATES.get(head, "{}")
    if not isinstance(template, str) or template.count("{}") != 1:
        raise InputError(f"template is {template!r}, but must be a text with one {{}} in the place of the label")
    return str(template)


def _validate_window(context_window: Any, encoder: LoadedEncoder) -> int:
    most = encoder.loaded.window
    if context_window is None:
        if most >= NO_LIMIT:
            raise ModelUnusable(
                f"neither the configuration nor the tokenizer of {encoder.loaded.name} has the length of its context "
                "window: pass context_window=, in tokens"
            )
        return most
    if isinstance(context_window, bool) or not isinstance(context_window, int) or not 0 < context_window <= most:
        raise InputError(f"context_window is {context_window!r}, but must be a whole number of tokens, at most {most}")
    return int(context_window)
