"""Encoder-only models under the chains: what each can do is read from its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmkit.errors import InputError
from llmkit.models.encoders.arguments import validate_count, validate_text, validate_texts, with_words
from llmkit.models.encoders.base import LocalEncoder
from llmkit.models.encoders.embedder import EmbedderHead
from llmkit.models.encoders.heads import Head
from llmkit.models.encoders.label_heads import ClassifierHead, PairHead
from llmkit.models.encoders.long_texts import pooled_log_probabilities
from llmkit.models.encoders.masked_lm import MaskedLMHead, MaskFilling
from llmkit.models.encoders.question_answering import AnswerSpans, QuestionAnsweringHead
from llmkit.models.encoders.token_classifier import SpanScores, TokenClassifierHead
from llmkit.text.words import with_article

MAX_PAIRS = 4096
"""Texts with labels that are encoded at once: with thousands of texts and hundreds of labels all would fill memory."""
MAX_ANSWER_TOKENS = 15
"""Of a span, as in transformers' former pipeline."""


class HuggingFaceEncoder(LocalEncoder):
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

    @property
    def label_method(self) -> str:
        """How the head scores labels: "entailment", "relevance", "classifier", "similarity" or "masked words"."""
        return self._label_head.method

    @property
    def is_independent(self) -> bool:
        """Whether the model judges each label by itself; if not, it can only compare labels with one another."""
        return self._label_head.is_independent

    @property
    def prefers_labels(self) -> bool:
        """Whether the model prefers some labels whatever the text says, so that its prior should be subtracted."""
        return self._label_head.prefers_labels

    def text_window(self, labels: Sequence[str], descriptions: Mapping[str, str] | None = None) -> int:
        """Return the most tokens of a text that are read at once together with the longest label.

        Raises:
            InputError: the model cannot score labels, or not these.
        """
        window = self._label_head.text_window(with_words(labels, descriptions))
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
        head = self._label_head
        validate_texts(texts=texts, labels=labels)
        if multi_label and not head.is_independent:
            raise InputError(
                f"{with_article(self.head.value)} compares labels with one another, which multi_label=True does not "
                "allow: use ZeroShotClassificationChain, which adds other labels to compare with"
            )
        window, words = self.text_window(labels, descriptions), with_words(labels, descriptions)
        return pooled_log_probabilities(
            lambda parts: head.log_probabilities(parts, words, multi_label=multi_label),
            list(texts),
            self,
            window,
            chunk=max(1, MAX_PAIRS // len(labels)),
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
        head = self._token_head
        validate_texts(texts=texts, labels=labels)
        return head.span_scores(texts, with_words(labels, descriptions))

    def check_span_labels(self, labels: Sequence[str], descriptions: Mapping[str, str] | None = None) -> None:
        """Raise `InputError` if the model is no classifier of tokens, or lacks one of these labels."""
        self._token_head.columns(with_words(labels, descriptions))

    def answer_spans(
        self, question: str, passages: Sequence[str], *, top_k: int = 1, max_answer_tokens: int = MAX_ANSWER_TOKENS
    ) -> AnswerSpans:
        """Find the spans of passages that answer a question, and how likely it is that there is no answer.

        Args:
            question: the question.
            passages: texts of any length; long ones are read in windows that overlap.
            top_k: the most spans.
            max_answer_tokens: the most tokens of a span.

        Raises:
            InputError: the model has no question-answering head, or there is nothing to read.
            ContextWindowExceeded: the question leaves no tokens for a passage.
        """
        return self.batch_answer_spans([(question, passages)], top_k=top_k, max_answer_tokens=max_answer_tokens)[0]

    def batch_answer_spans(
        self,
        queries: Sequence[tuple[str, Sequence[str]]],
        *,
        top_k: Any = 1,
        max_answer_tokens: Any = MAX_ANSWER_TOKENS,
    ) -> list[AnswerSpans]:
        """Find the answers to many questions, each with its passages, in true batches."""
        head = self._answer_head
        validate_count(top_k=top_k, max_answer_tokens=max_answer_tokens)
        for question, passages in queries:
            validate_text(question=question)
            validate_texts(passages=passages)
        return head.answer(queries, top_k, max_answer_tokens)

    def check_question(self, question: str) -> None:
        """Raise `InputError` for a question that is no text, or that leaves no tokens for a passage."""
        validate_text(question=question)
        self._answer_head.check_question(question)

    @property
    def mask_token(self) -> str:
        """The text of a masked language model's mask, such as `[MASK]`."""
        return self._masked_head.mask_token

    def fill_mask(self, text: str, *, top_k: Any = 5, targets: Sequence[str] | None = None) -> list[list[MaskFilling]]:
        """Find the likeliest words for each mask of a text: a list for each mask, in the order of the text.

        A score is the probability of that word, given all of the text that is not masked. With several masks each is
        by itself: the likeliest words need not go together.

        Args:
            text: has one or more `encoder.mask_token`.
            top_k: how many words for each mask.
            targets: only these words, all of them; each must be one token of the model.

        Raises:
            InputError: the model is no masked language model, the text has no mask, or a target is several tokens.
            ContextWindowExceeded: the text does not fit the window.
        """
        head = self._masked_head
        validate_count(top_k=top_k)
        validate_text(text=text)
        if targets is not None:
            validate_texts(targets=targets)
        return head.fill(text, top_k, targets)

    @cached_property
    def _masked_head(self) -> MaskedLMHead:
        self.require("fill_mask")
        return MaskedLMHead(self._passes, self.template)

    @cached_property
    def _label_head(self) -> PairHead | ClassifierHead | EmbedderHead | MaskedLMHead:
        self.require("label_scores")
        if self.head is Head.CLASSIFIER:
            return ClassifierHead(self._passes)
        if self.head is Head.EMBEDDER:
            return EmbedderHead(self._passes, self.template)
        if self.head is Head.MASKED_LM:
            return self._masked_head
        return PairHead(self._passes, self.head, self.template)

    @cached_property
    def _token_head(self) -> TokenClassifierHead:
        self.require("span_scores")
        return TokenClassifierHead(self._passes, self._aggregation)

    @cached_property
    def _answer_head(self) -> QuestionAnsweringHead:
        self.require("answer_spans")
        return QuestionAnsweringHead(self._passes)
