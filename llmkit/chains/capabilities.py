"""What chains ask of a model that is no language model, such as `HuggingFaceEncoder`.

A language model has `score`, which all grounded chains use. A model without it says in `capabilities` which of the
methods below it has; a chain uses the one that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from llmkit.errors import InputError
from llmkit.text.segmentation import Span


class CapableModel(Protocol):
    """A model that says what it can do."""

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The names of the methods that it has."""
        ...

    @property
    def model_name(self) -> str:
        """What results and messages call it."""
        ...

    def get_num_tokens(self, text: str) -> int:
        """Return the number of tokens of a text alone."""
        ...

    def cannot(self, what: str) -> InputError:
        """Return the error for something that it cannot do, which names what it can."""
        ...


class LabelModel(CapableModel, Protocol):
    """A model with `label_scores`: `ZeroShotClassificationChain` uses it."""

    @property
    def label_method(self) -> str:
        """How it scores labels, as results say it."""
        ...

    @property
    def template(self) -> str:
        """The sentence in which it reads a label, with `{}` in the label's place."""
        ...

    @property
    def is_independent(self) -> bool:
        """Whether it judges each label by itself; if not, it compares labels with one another."""
        ...

    @property
    def prefers_labels(self) -> bool:
        """Whether it prefers some labels whatever the text says, so that its prior should be subtracted."""
        ...

    def text_window(self, labels: Sequence[str], descriptions: Mapping[str, str] | None = None) -> int:
        """Return the most tokens of a text that it reads at once with these labels; `InputError` if it lacks one."""
        ...

    def label_scores(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        descriptions: Mapping[str, str] | None = None,
        *,
        multi_label: bool = False,
    ) -> NDArray[np.float64]:
        """Return the log-probability of each label: [texts, labels]."""
        ...


class SpanModel(CapableModel, Protocol):
    """A model with `span_scores`: `NERChain` uses it."""

    def check_span_labels(self, labels: Sequence[str], descriptions: Mapping[str, str] | None = None) -> None:
        """Raise `InputError` for a label that it lacks."""
        ...

    def span_scores(
        self, texts: Sequence[str], labels: Sequence[str], descriptions: Mapping[str, str] | None = None
    ) -> Sequence[tuple[Sequence[Span], NDArray[np.float64]]]:
        """Return the spans of each text, and the log-probability of each label and of none: [spans, labels + 1]."""
        ...


class AnswerModel(CapableModel, Protocol):
    """A model with `answer_spans`: `QAChain` uses it."""

    def check_question(self, question: str) -> None:
        """Raise `ContextWindowExceeded` for a question that leaves no tokens for a text."""
        ...

    def batch_answer_spans(
        self, queries: Sequence[tuple[str, Sequence[str]]], *, top_k: int = 1
    ) -> Sequence[tuple[Sequence[tuple[int, Span, str, float]], float]]:
        """Return for each question the best spans (text index, span, its characters, score), and that of no answer."""
        ...


def is_capable(llm: Any, capability: str) -> bool:
    """Return whether a model has a capability; `False` for language models.

    Raises:
        InputError: it says what it can do, and this is not among it; the error names what is.
    """
    known = getattr(llm, "capabilities", None)
    if not isinstance(known, tuple):
        return False
    if capability not in known:
        raise llm.cannot(capability)
    return True


def refuse_unread(llm: Any, **arguments: Any) -> None:
    """Raise `InputError` for an argument that is only for language models, such as a prompt."""
    unset: tuple[Any, ...] = (None, False, (), [])
    if given := [name for name, value in arguments.items() if not any(value is one or value == one for one in unset)]:
        raise InputError(f"{given[0]} is given, but {type(llm).__name__} is no language model: leave it out")
